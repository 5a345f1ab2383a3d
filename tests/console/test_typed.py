"""The typed event on an event's page: what an action was, or would be, given."""

from __future__ import annotations

import html
import json
import random
import re

import pytest

from hookline.senders import make_delivery
from hookline_console.bodies import READ_MOST_BYTES
from hookline_console.typed import Typed, typed


def read(body: bytes, provider: str = "misskey", headers: str = "[]") -> Typed:
    """The typed event of a delivery with this body."""
    return typed({"provider": provider.encode(), "headers": headers.encode(), "body": body})


def shown(event: Typed) -> dict[str, object]:
    """The fields, as a reader sees them."""
    fields = json.loads(html.unescape(re.sub(r"<[^>]*>", "", event.html)))
    assert isinstance(fields, dict)
    return fields


@pytest.mark.parametrize(
    ("provider", "kind", "name"),
    [("misskey", "abuseReport", "misskey.AbuseReport"), ("esa", "post_create", "esa.PostCreate")],
)
def test_fields_have_the_names_that_an_author_writes(provider: str, kind: str, name: str) -> None:
    """And the class is named as an author imports it."""
    delivery = make_delivery(provider, kind, secret=b"", rng=random.Random(1), now_ms=1_790_000_000_000)
    event = read(delivery.body, provider)
    assert (event.name, event.error) == (name, "")
    assert {"hook_id", "sent_at"} <= shown(event).keys() if provider == "misskey" else "post" in shown(event)


def test_a_type_that_no_model_knows_is_shown_with_its_data() -> None:
    """As actions get it."""
    event = read(b'{"type":"somethingNew","body":{"a":1}}')
    assert event.name == "UnknownEvent"
    assert shown(event)["type"] == "misskey.something_new"


@pytest.mark.parametrize(
    ("body", "provider", "headers", "says"),
    [
        (b"{", "misskey", "[]", "not readable as JSON"),
        (b"[]", "esa", "[]", "an array, not an object"),
        (b"{}", "gone", "[]", "provider 'gone' is not installed"),
        (b"{}", "misskey", '["x"]', "it cannot be read: ValueError"),
        (b" " * (READ_MOST_BYTES + 1), "misskey", "[]", "larger than"),
    ],
)
def test_why_there_is_no_event_is_said(body: bytes, provider: str, headers: str, says: str) -> None:
    """In the worker's words."""
    event = read(body, provider, headers)
    assert says in event.error
    assert (event.name, event.html) == ("", "")
