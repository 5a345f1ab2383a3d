"""What Misskey and its forks send, read as typed events: every type, version, fork and test-send."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import ParseError
from hookline.events import Event, UnknownEvent
from hookline.providers import Delivery, misskey

SAMPLES = Path(__file__).parent.parent / "samples" / "misskey"
NAMES = sorted(file.stem for file in SAMPLES.glob("*.json"))
EVENTS = {event.kind: event for event in misskey.PROVIDER.events}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def sample(name: str) -> Any:
    """The payload of a sample file."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def parse(payload: Any, *headers: tuple[bytes, bytes]) -> Any:
    """The event that a payload is read as."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return misskey.PROVIDER.parse(Delivery(headers, body))


def problem(payload: Any) -> str:
    """What the ParseError for a payload says."""
    with pytest.raises(ParseError) as caught:
        parse(payload)
    return str(caught.value)


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
    assert event.type == f"misskey.{kind}"


def test_there_is_a_sample_of_every_event() -> None:
    """So that no model is without a trial."""
    assert {name.partition("--")[0] for name in NAMES} == set(EVENTS)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_was_sent_is_lost(name: str) -> None:
    """Every value of the payload is in the event too: as a field, or else under the sender's own name."""
    payload = sample(name)
    event = parse(payload)
    kept = places(event.model_dump(mode="json"))
    envelope = {key: value for key, value in payload.items() if key not in ("type", "body")}
    subject = places(payload.get("body", {})) - {()}
    if "bare" in name or name.startswith(("abuse", "user_created", "report_created")):
        subject = {(type(event).subject, *place) for place in subject}
    sent = places(envelope) | subject
    assert {place for place in sent if "emojis" not in place} <= kept


@pytest.mark.parametrize("name", NAMES)
def test_null_everywhere_reads_like_absence(name: str) -> None:
    """A version that leaves a key out and one that sends null mean the same."""

    def without_nulls(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_nulls(part) for key, part in value.items() if part is not None}
        return [without_nulls(part) for part in value] if isinstance(value, list) else value

    def typed(event: Any) -> Any:
        return event.model_dump(mode="json", exclude_none=True)

    assert without_nulls(typed(parse(sample(name)))) == typed(parse(without_nulls(sample(name))))


def test_the_envelope_is_on_the_event() -> None:
    """In snake_case, with the time as a datetime."""
    event = parse(
        {
            "server": "https://mk.example:8443",
            "hookId": "h1",
            "userId": "u1",
            "eventId": "e1",
            "createdAt": 1777702029001,
            "type": "inactiveModeratorsWarning",
            "body": {"remainingTime": {"time": 172800000, "asHours": 48, "asDays": 2}},
        }
    )
    assert (event.server, event.hook_id, event.user_id, event.event_id) == (
        "https://mk.example:8443",
        "h1",
        "u1",
        "e1",
    )
    assert event.sent_at == datetime(2026, 5, 2, 6, 7, 9, 1000, UTC)
    time = event.remaining_time
    assert (time.time_ms, time.as_hours, time.as_days) == (172800000, 48, 2)


def test_a_small_time_is_milliseconds_too() -> None:
    """Not seconds, as a guess from its size would have it."""
    assert parse({"type": "reaction", "createdAt": 1500}).sent_at == datetime(
        1970, 1, 1, 0, 0, 1, 500_000, UTC
    )


@pytest.mark.parametrize("family", ["misskey", "firefish", "calckey", "iceshrimp"])
def test_the_server_is_taken_from_the_header_where_the_envelope_lacks_it(family: str) -> None:
    """As before 2023.9.0, and in the forks of that time."""
    event = parse(sample("note--12.110"), (f"X-{family}-Host".encode(), b"mk.example:8443"))
    assert event.server == "https://mk.example:8443"


def test_the_envelopes_server_wins_over_the_header() -> None:
    """The header is only for want of it."""
    assert parse(sample("note"), (b"x-misskey-host", b"other.example")).server == sample("note")["server"]


@pytest.mark.parametrize("host", [b"", b"a b", b"\xff", b"mk.example/path", b"x" * 256])
def test_a_host_header_that_is_no_host_is_passed_over(host: bytes) -> None:
    """The server is then unknown."""
    assert parse(sample("note--12.110"), (b"x-misskey-host", host)).server is None


@pytest.mark.parametrize(
    ("name", "whole"), [("note", "note"), ("follow", "user"), ("abuse_report", "report")]
)
def test_a_bare_body_and_a_wrapped_one_read_the_same(name: str, whole: str) -> None:
    """Test-sends of 2024.9.0 to 2024.10.1 were bare; the reports always are."""
    payload = sample(name)
    inner = payload["body"].get(whole, payload["body"])
    assert parse({**payload, "body": inner}) == parse({**payload, "body": {whole: inner}})


def test_emojis_as_a_list_read_like_the_map() -> None:
    """Misskey 12 sent the list."""
    event = parse(sample("note--12.109.0"))
    assert event.note.emojis == {"ohayo": "https://misskey.hamabe.example/files/ohayo.png"}
    assert event.note.user.emojis == {"kai": "https://misskey.hamabe.example/files/kai.png"}
    assert parse(sample("note--test-2024.9-bare")).note.emojis == {}


def test_the_fields_of_forks_are_kept_under_their_own_names() -> None:
    """And those that several forks share are typed."""
    note = parse(sample("note--sharkey-edited")).note
    assert note.model_extra["threadId"] == "a9p4w0e1kd3n0a01"
    assert note.user.model_extra["speakAsCat"] is False
    assert note.updated_at == datetime(2026, 5, 2, 7, 0, tzinfo=UTC)


def test_reports_before_2024_10_have_ids_only() -> None:
    """The users were added later."""
    report = parse(sample("abuse_report--2024.7")).report
    assert (report.target_user, report.reporter) == (None, None)
    assert report.target_user_id == "a4m2c8d0rs5e0002"


def test_a_reaction_keeps_whatever_it_came_with() -> None:
    """No version sends it, so its body is anybody's guess, even one that uses the envelope's names."""
    event = parse(sample("reaction--supposed"))
    assert (event.reaction, event.note.id, event.user.username) == ("👍", "a9p4w0e1kd3n0a01", "tetsuo")
    assert event.user_id == "a3k9z1x4qp7b0001"
    assert event.model_extra["body"]["userId"] == "a4m2c8d0rs5e0002"


@pytest.mark.parametrize(
    ("sent", "name"),
    [("somethingNew", "misskey.something_new"), ("note@bot", "misskey.note@bot"), ("Note", "misskey.note")],
)
def test_an_unknown_type_becomes_an_unknown_event_with_everything_in_it(sent: str, name: str) -> None:
    """A fork's news must not be lost."""
    payload = {"server": "https://mk.example", "type": sent, "body": [1, None]}
    assert parse(payload) == UnknownEvent(type=name, data=payload)


def note_with(**changes: Any) -> Any:
    """The plain note's payload with some of the note's values changed."""
    payload = sample("note")
    payload["body"]["note"].update(changes)
    return payload


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"body": {}}, "type: is missing, so there is no telling what happened"),
        ({"type": 7}, "type: is a number, not a string"),
        ({"type": "note"}, "misskey.note: note: is missing"),
        ({"type": "note", "body": {}}, "misskey.note: note: is missing"),
        ({"type": "note", "body": []}, "body: is an array, not an object"),
        ({"type": "note", "body": {"note": "x"}}, "but it is a string"),
        ({"type": "followed", "body": {"user": {"id": "u1"}}}, "misskey.followed: user.username: is missing"),
        (
            note_with(files=[{"id": []}]),
            "note.files.0.id: Input should be a valid string, but it is an array",
        ),
        (note_with(files={}), "note.files: Input should be a valid tuple, but it is an object"),
        ({"type": "reaction", "createdAt": 10**30}, "milliseconds beyond any date, but it is a number"),
    ],
)
def test_a_payload_that_no_version_sends_is_a_parse_error_that_names_the_place(
    payload: Any, told: str
) -> None:
    """The problem with it in a line."""
    assert told in problem(payload)


def test_a_parse_error_does_not_repeat_the_payload() -> None:
    """It goes to logs, and a direct note's text must not."""
    secret = "よんではいけない"
    told = problem(
        note_with(text=[secret], cw={"x": secret}, createdAt=secret, files=secret, reactions={"a": secret})
    )
    assert secret not in told
    assert "(and 2 more)" in told
    assert len(told) < 600


def test_of_many_bad_parts_only_the_first_is_told() -> None:
    """An error for each of the 300,000 that a small body can hold would take a quarter of a gigabyte."""
    told = problem(note_with(files=[{}] * 300_000))
    assert told == "misskey.note: note.files.0.id: is missing"


def test_long_quote_chains_are_read_and_endless_ones_are_a_parse_error() -> None:
    """Misskey doesn't limit them."""
    user = '{"id":"u","username":"x"}'

    def chain(length: int) -> Delivery:
        inner = f'{{"id":"n","user":{user},"visibility":"public","text":"q","renoteId":"n","renote":' * length
        return Delivery((), f'{{"type":"note","body":{{"note":{inner}null{"}" * length}}}}}'.encode())

    event = misskey.PROVIDER.parse(chain(150))
    assert isinstance(event, misskey.Note)
    assert event.note.is_entirely_public
    assert misskey.Note.model_validate_json(event.model_dump_json()).note == event.note
    for length in (200, 1_000, 10_000):
        with pytest.raises(ParseError, match="recursion limit"):
            misskey.PROVIDER.parse(chain(length))


def test_an_event_cannot_be_changed_by_an_action() -> None:
    """Others are given the same one."""
    event = parse(sample("note"))
    with pytest.raises(ValueError, match="frozen"):
        event.note.text = "other"


def use(event: Any) -> None:
    """Do with an event what an action and a log do."""
    assert event.type.startswith("misskey.")
    assert repr(event)
    event.model_dump_json()
    for part in (event, getattr(event, "note", None), getattr(event, "user", None)):
        for name in () if part is None else (name for name in dir(type(part)) if name[0] != "_"):
            if isinstance(getattr(type(part), name, None), property):
                getattr(part, name)


def parse_and_use(body: bytes) -> None:
    """Read a body; only a ParseError may come out, and what is read can be used."""
    try:
        event = misskey.PROVIDER.parse(Delivery((), body))
    except ParseError:
        return
    assert isinstance(event, Event | UnknownEvent)
    use(event)


@settings(deadline=None)
@given(st.binary())
def test_arbitrary_bytes_are_a_parse_error_and_nothing_else(body: bytes) -> None:
    """No other error comes out."""
    parse_and_use(body)


@settings(deadline=None)
@given(
    st.sampled_from([*NAMES]), st.dictionaries(st.sampled_from(["note", "user", "report", "id"]), JSON), JSON
)
def test_arbitrary_json_is_an_event_or_a_parse_error(name: str, body: dict[str, Any], envelope: Any) -> None:
    """In the body, beside it, and in its place."""
    known = {"type": sample(name)["type"], "body": body}
    for payload in (envelope, known, {**known, "body": envelope}, {**known, "createdAt": envelope}):
        parse_and_use(json.dumps(payload).encode())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.data(), JSON)
def test_a_sample_with_any_value_replaced_is_an_event_or_a_parse_error(
    name: str, data: Any, value: Any
) -> None:
    """Whatever a fork may make of one of its fields."""
    payload = copy.deepcopy(sample(name))
    *way, last = data.draw(st.sampled_from(sorted(places(payload) - {()}, key=repr)))
    part = payload
    for step in way:
        part = part[step]
    part[last] = value
    parse_and_use(json.dumps(payload).encode())
