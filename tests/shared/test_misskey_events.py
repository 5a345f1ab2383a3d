"""What an action asks of Misskey's events: kinds of notes, who may see them, names and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.providers import misskey
from hookline.providers.misskey import DriveFile, NoteContent, Poll, User

NAGISA = User(id="u1", username="nagisa")
TETSUO = User(id="u2", username="tetsuo", host="mk.example", name="哲夫")


def note(**fields: Any) -> NoteContent:
    """A public note with these fields."""
    return NoteContent(**{"id": "n1", "user": NAGISA, "visibility": "public"} | fields)


ADDITIONS: list[dict[str, Any]] = [
    {"text": "見て"},
    {"cw": "注意"},
    {"cw": ""},
    {"reply_id": "n3"},
    {"reply": note()},
    {"files": [DriveFile(id="f1")]},
    {"file_ids": ["f1"]},
    {"poll": Poll()},
    {"has_poll": True},
]


@pytest.mark.parametrize(
    "renoted", [{"renote_id": "n2"}, {"renote_id": "n2", "renote": note()}, {"renote": note()}]
)
def test_a_renote_that_adds_nothing_is_pure(renoted: dict[str, Any]) -> None:
    """Also where the original is deleted."""
    renote = note(**renoted)
    assert (renote.is_pure_renote, renote.is_quote) == (True, False)


@pytest.mark.parametrize("addition", ADDITIONS)
def test_a_renote_that_adds_something_is_a_quote(addition: dict[str, Any]) -> None:
    """Text, warning, reply, files or poll."""
    quote = note(renote_id="n2", **addition)
    assert (quote.is_pure_renote, quote.is_quote) == (False, True)


@pytest.mark.parametrize("addition", [{}, *ADDITIONS])
def test_without_another_note_it_is_neither(addition: dict[str, Any]) -> None:
    """A note of files alone has no text either."""
    plain = note(**addition)
    assert (plain.is_pure_renote, plain.is_quote) == (False, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, False), ({"reply_id": "n3"}, True), ({"reply": note()}, True), ({"renote_id": "n2"}, False)],
)
def test_a_reply_is_told_by_what_it_answers(fields: dict[str, Any], expected: bool) -> None:
    """Also where that is deleted."""
    assert note(**fields).is_reply is expected


@pytest.mark.parametrize(
    ("fields", "alone", "entirely"),
    [
        ({}, True, True),
        ({"visibility": None}, False, False),
        ({"visibility": "home"}, False, False),
        ({"visibility": "followers"}, False, False),
        ({"visibility": "specified"}, False, False),
        ({"visibility": "public_non_ltl"}, False, False),
        ({"is_hidden": True}, False, False),
        ({"local_only": True}, True, False),
        ({"renote": note()}, True, True),
        ({"renote": note(visibility="home")}, True, False),
        ({"reply": note(visibility="followers")}, True, False),
        ({"reply": note(is_hidden=True)}, True, False),
        ({"renote": note(renote=note(reply=note(visibility="specified")))}, True, False),
        ({"reply": note(), "renote": note(local_only=True)}, True, False),
        ({"renote_id": "gone", "reply_id": "gone"}, True, True),
    ],
)
def test_public_is_what_everybody_may_read(fields: dict[str, Any], alone: bool, entirely: bool) -> None:
    """Of the note alone, and of all the notes inside it; what isn't known to be public is not."""
    assert (note(**fields).is_public, note(**fields).is_entirely_public) == (alone, entirely)


def test_sensitive_files_are_told() -> None:
    """One is enough."""
    files = [DriveFile(id="f1"), DriveFile(id="f2", is_sensitive=True)]
    assert note(files=files).has_sensitive_files
    assert not note(files=files[:1]).has_sensitive_files


@pytest.mark.parametrize(("user", "acct"), [(NAGISA, "nagisa"), (TETSUO, "tetsuo@mk.example")])
def test_acct_has_the_host_of_another_server_only(user: User, acct: str) -> None:
    """As people write it."""
    assert user.acct == acct


@pytest.mark.parametrize(("name", "shown"), [(None, "nagisa"), ("", "nagisa"), ("なぎさ", "なぎさ")])
def test_who_has_no_name_is_shown_by_the_user_name(name: str | None, shown: str) -> None:
    """Misskey sends null then."""
    assert User(id="u1", username="nagisa", name=name).display_name == shown


@pytest.mark.parametrize("server", ["https://misskey.example:8443", "https://misskey.example:8443/"])
def test_addresses_are_those_of_the_sending_server(server: str) -> None:
    """Also for notes and users of another one."""
    event = misskey.Reply(server=server, note=note(id="n9", user=TETSUO, reply=note(id="n8")))
    assert event.note_url == "https://misskey.example:8443/notes/n9"
    assert event.user_url == "https://misskey.example:8443/@tetsuo@mk.example"
    assert event.note.reply is not None
    assert event.url_of(event.note.reply) == "https://misskey.example:8443/notes/n8"
    assert event.url_of(NAGISA) == "https://misskey.example:8443/@nagisa"


def test_a_users_event_has_the_users_address() -> None:
    """Followed tells who follows now."""
    assert (
        misskey.Followed(server="https://misskey.example", user=NAGISA).user_url
        == "https://misskey.example/@nagisa"
    )


def test_without_a_server_there_are_no_addresses() -> None:
    """None, rather than a broken one."""
    event = misskey.Note(note=note())
    assert (event.note_url, event.user_url) == (None, None)


def test_the_writer_of_the_note_is_the_events_user() -> None:
    """So that every event with somebody in it has `event.user`."""
    assert misskey.Mention(note=note(user=TETSUO)).user == TETSUO


def test_an_event_that_matches_one_class_matches_no_other() -> None:
    """An action for one type must not be given another."""
    events = misskey.PROVIDER.events
    assert [(a, b) for a in events for b in events if a is not b and issubclass(a, b)] == []
