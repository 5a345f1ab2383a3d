"""A delivery saved for tests makes, when it is read again, the event that the worker read."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline import misskey
from hookline.errors import HooklineError, ParseError
from hookline.providers import provider
from hookline.recorded import recorded_name, recorded_text
from hookline.senders import make_delivery, sender_types
from hookline.stored import headers_json
from hookline.testing import recorded


def fields(
    body: bytes, headers: list[tuple[bytes, bytes]] | None = None, name: str = "misskey"
) -> dict[str, bytes]:
    """An event's fields, as far as they matter here."""
    stored = headers_json(headers or [], frozenset())
    return {"provider": name.encode(), "source": b"s", "headers": stored, "body": body}


def saved(folder: Path, stored: dict[str, bytes]) -> Path:
    """The event, saved."""
    file = folder / "event.json"
    file.write_text(recorded_text(stored), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["misskey", "esa"])
def test_every_type_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    """What the headers told about it included."""
    for kind in sender_types(name):
        delivery = make_delivery(name, kind, secret=b"", rng=random.Random(1), now_ms=1_790_000_000_000)
        file = saved(tmp_path, fields(delivery.body, list(delivery.headers), name))
        assert recorded(file) == provider(name).parse(delivery)


def test_a_payload_can_be_read_and_edited(tmp_path: Path) -> None:
    """It is JSON in the file, too, and what is changed there is in the event."""
    file = saved(tmp_path, fields(b'{"type":"follow","body":{"user":{"id":"1","username":"hanako"}}}'))
    record = json.loads(file.read_text(encoding="utf-8"))
    record["payload"]["body"]["user"]["username"] = "taro"
    file.write_text(json.dumps(record))
    event = recorded(file)
    assert isinstance(event, misskey.Follow)
    assert event.user.username == "taro"


@given(
    body=st.binary(max_size=80) | st.text().map(str.encode) | st.just(b'{"a": NaN}') | st.just(b'"\\ud800"')
)
def test_any_body_can_be_saved(body: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What isn't JSON comes back to the byte, and fails as it did in the worker."""
    file = saved(tmp_path_factory.mktemp("any"), fields(body))
    with pytest.raises(ParseError):
        recorded(file)


def test_a_file_that_is_something_else_says_what_it_should_be(tmp_path: Path) -> None:
    """Also one that isn't there."""
    file = tmp_path / "x.json"
    for text in ("", "[]", '{"provider":"misskey"}', '{"provider":"misskey","headers":[1],"payload":{}}'):
        file.write_text(text)
        with pytest.raises(HooklineError, match="save one from an event's page"):
            recorded(file)
    with pytest.raises(HooklineError, match="No such file"):
        recorded(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("misskey.mention", "misskey.mention-0f.json"),
        ("", "s-0f.json"),
        ("../../etc/passwd\n", "etc_passwd-0f.json"),
        ("misskey.日本", "misskey-0f.json"),
        ("..", "event-0f.json"),
        ("x" * 200, f"{'x' * 80}-0f.json"),
    ],
)
def test_a_name_is_harmless(kind: str, name: str) -> None:
    """A type is what a sender wrote."""
    assert recorded_name("0f", {"type": kind.encode(), "source": b"s"}) == name
