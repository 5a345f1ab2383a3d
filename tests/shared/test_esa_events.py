"""What esa sends, read as typed events, and what an action asks of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import ParseError
from hookline.events import Event, UnknownEvent
from hookline.providers import Delivery, esa

SAMPLES = Path(__file__).parent.parent / "samples" / "esa"
NAMES = sorted(file.stem for file in SAMPLES.glob("*.json"))
EVENTS = {event.kind: event for event in esa.PROVIDER.events}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def sample(name: str) -> Any:
    """The payload of a sample file."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def parse(payload: Any) -> Any:
    """The event that a payload is read as."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return esa.PROVIDER.parse(Delivery((), body))


def places(value: Any, *place: str | int) -> set[tuple[str | int, ...]]:
    """The place of every value in a JSON value, as the keys and indexes that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {place}.union(*(places(part, *place, key) for key, part in inner))


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_is_read_as_the_event_that_it_is_named_after(name: str) -> None:
    """The part of the file's name before the dashes is the event's kind."""
    kind = name.partition("--")[0]
    event = parse(sample(name))
    assert type(event) is EVENTS[kind]
    assert event.type == f"esa.{kind}"


def test_there_is_a_sample_of_every_event() -> None:
    """So that no model is without a trial."""
    assert {name.partition("--")[0] for name in NAMES} == set(EVENTS)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_was_sent_is_lost(name: str) -> None:
    """Every value of the payload is in the event too."""
    assert places(sample(name)) - {("kind",)} <= places(parse(sample(name)).model_dump())


def test_the_fields_are_named_as_esa_names_them() -> None:
    """With nothing changed, not even the ends of the lines."""
    event = parse(sample("post_update"))
    assert event.post.body_md.startswith("# 朝会\r\n")
    assert (event.post.number, event.post.message, event.post.wip) == (42, "メモを追記", False)
    assert event.post.diff_url == "https://hamabe.esa.io/posts/42/revisions/2/diff"
    assert (event.user.screen_name, event.user.name, event.team.name) == ("nagisa", "渚", "hamabe")
    assert event.user.icon.url.endswith("icon.png")


@pytest.mark.parametrize(
    ("name", "category", "title", "tags"),
    [
        ("日報/2026/05/朝会 #会議 #渚", "日報/2026/05", "朝会", ("会議", "渚")),
        ("朝会", "", "朝会", ()),
        ("朝会 #会議", "", "朝会", ("会議",)),
        ("Archived/日報/朝会", "Archived/日報", "朝会", ()),
        ("a/b c  d #x", "a", "b c  d", ("x",)),
        ("a/C# と F# の違い", "a", "C# と F# の違い", ()),
        ("a/issue #12 の件", "a", "issue #12 の件", ()),
        ("a/見出し # と #タグ", "a", "見出し # と", ("タグ",)),
        ("a/t #x/y #z", "a", "t", ("x/y", "z")),
        ("a/ #x", "a", "", ("x",)),
        ("#x #y", "", "#x", ("y",)),
        (" a/t #x ", "a", "t", ("x",)),
        ("#", "", "#", ()),
        ("", "", "", ()),
        ("  ", "", "", ()),
    ],
)
def test_a_posts_name_is_category_title_and_tags(
    name: str, category: str, title: str, tags: tuple[str, ...]
) -> None:
    """Tags are the words at the end that begin with a number sign."""
    post = esa.Post(name=name)
    assert (post.category, post.title, post.tags) == (category, title, tags)


@pytest.mark.parametrize("post", [{}, {"name": None}])
def test_a_post_without_a_name_has_empty_parts(post: dict[str, Any]) -> None:
    """Rather than an error in the middle of an action."""
    event = parse({"kind": "post_create", "post": post})
    assert (event.post.category, event.post.title, event.post.tags) == ("", "", ())


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("post_create", "https://hamabe.esa.io/posts/42"),
        ("post_delete", "https://hamabe.esa.io/posts/42"),
        ("comment_create", "https://hamabe.esa.io/posts/42"),
        ("post_stop_sharing--supposed", "https://hamabe.esa.io/posts/42"),
        ("post_stop_sharing--least", None),
    ],
)
def test_the_posts_address_is_made_where_it_is_not_sent(name: str, url: str | None) -> None:
    """From the team and the number, if they are known."""
    assert parse(sample(name)).post_url == url


def test_a_comments_id_is_from_the_posts_address() -> None:
    """It is sent nowhere else."""
    event = parse(sample("comment_create"))
    assert event.comment.id == 1234
    assert event.comment_url == "https://hamabe.esa.io/posts/42#comment-1234"


@pytest.mark.parametrize("url", [None, "", "https://hamabe.esa.io/posts/42", "x#comment-", "x#comment-1x", 7])
def test_without_an_id_in_the_address_the_comments_id_is_none(url: Any) -> None:
    """And the rest is there all the same."""
    payload = sample("comment_create")
    payload["post"]["url"] = url
    assert parse(payload).comment.id is None


def test_an_id_that_the_comment_brings_itself_is_kept() -> None:
    """Should esa send one some day."""
    payload = sample("comment_create")
    payload["comment"]["id"] = 9
    assert parse(payload).comment.id == 9


def test_a_shared_posts_address_for_others_is_in_sharing() -> None:
    """Where a sharing is known to be told."""
    assert (
        parse(sample("post_start_sharing")).sharing.url
        == "https://esa-pages.example/p/sharing/9/posts/42/0a1b2c.html"
    )
    assert parse(sample("post_stop_sharing--least")).sharing.url is None


def test_an_unknown_kind_becomes_an_unknown_event_with_everything_in_it() -> None:
    """esa has more check boxes than documented kinds."""
    payload = {"kind": "post_mention", "post": 1}
    assert parse(payload) == UnknownEvent(type="esa.post_mention", data=payload)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({}, "kind: is missing"),
        ({"kind": None}, "kind: is null"),
        ({"kind": "post_create"}, "esa.post_create: post: is missing"),
        ({"kind": "comment_create", "post": {}}, "esa.comment_create: comment: is missing"),
        ({"kind": "member_join", "team": "hamabe"}, "esa.member_join: team: "),
        (
            {"kind": "comment_create", "post": {"url": {}}, "comment": {}},
            "post.url: Input should be a valid string",
        ),
        ({"kind": "post_update", "post": {"wip": "?"}}, "post.wip: Input should be a valid boolean"),
    ],
)
def test_a_payload_that_esa_does_not_send_is_a_parse_error_that_names_the_place(
    payload: Any, told: str
) -> None:
    """The problem with it in a line."""
    with pytest.raises(ParseError) as caught:
        parse(payload)
    assert told in str(caught.value)


def test_an_event_that_matches_one_class_matches_no_other() -> None:
    """An action for one kind must not be given another."""
    events = esa.PROVIDER.events
    assert [(a, b) for a in events for b in events if a is not b and issubclass(a, b)] == []


def parse_and_use(body: bytes) -> None:
    """Read a body; only a ParseError may come out, and what is read can be used."""
    try:
        event: Any = esa.PROVIDER.parse(Delivery((), body))
    except ParseError:
        return
    assert isinstance(event, Event | UnknownEvent)
    assert repr(event)
    event.model_dump_json()
    if isinstance(event, esa.PostEvent):
        assert [event.post_url, event.post.category, event.post.title, event.post.tags]


@settings(deadline=None)
@given(st.binary())
def test_arbitrary_bytes_are_a_parse_error_and_nothing_else(body: bytes) -> None:
    """No other error comes out."""
    parse_and_use(body)


@settings(deadline=None)
@given(
    st.sampled_from(sorted(EVENTS)),
    st.dictionaries(st.sampled_from(["post", "team", "user", "comment"]), JSON),
)
def test_arbitrary_json_is_an_event_or_a_parse_error(kind: str, rest: dict[str, Any]) -> None:
    """In the place of any part."""
    parse_and_use(json.dumps({"kind": kind, **rest}).encode())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.data(), JSON)
def test_a_sample_with_any_value_replaced_is_an_event_or_a_parse_error(
    name: str, data: Any, value: Any
) -> None:
    """Whatever esa may make of one of its fields."""
    payload = copy.deepcopy(sample(name))
    *way, last = data.draw(st.sampled_from(sorted(places(payload) - {()}, key=repr)))
    part = payload
    for step in way:
        part = part[step]
    part[last] = value
    parse_and_use(json.dumps(payload).encode())


@settings(deadline=None)
@given(st.text(alphabet="a# /日　\n", max_size=20))
def test_every_name_has_its_parts(name: str) -> None:
    """And no tag is both in the title's end and a tag."""
    post = esa.Post(name=name)
    assert all(tag and not tag.isspace() for tag in post.tags)
    assert "".join([post.category, post.title, *post.tags]).count("a") == name.count("a")
