"""A delivery that is stored comes back as it came, but for its secrets."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.errors import SettingsError
from hookline.providers import Delivery, provider
from hookline.senders import make_delivery, sender_types
from hookline.stored import headers_json, raw_headers, stored_event


@given(st.lists(st.tuples(st.binary(), st.binary())))
def test_headers_come_back_to_the_byte(headers: list[tuple[bytes, bytes]]) -> None:
    """In their order, repeated ones too, whatever bytes they have."""
    assert raw_headers(json.loads(headers_json(headers, frozenset()))) == headers


@given(st.text(st.sampled_from("aAzZ-"), min_size=1), st.binary())
def test_a_secret_is_struck_out_however_its_name_is_written(name: str, secret: bytes) -> None:
    """The header stays where it was."""
    headers = [(b"First", b"1"), (name.encode(), secret), (b"Last", b"\xe9")]
    text = headers_json(headers, frozenset({name.lower()}))
    assert json.loads(text) == [["First", "1"], [name, "***"], ["Last", "é"]]


@pytest.mark.parametrize("name", ["misskey", "esa"])
def test_a_stored_delivery_makes_the_event_that_it_made(name: str) -> None:
    """Of every type; what a provider reads from the headers is none of its secrets."""
    chosen = provider(name)
    for kind in sender_types(name):
        made = make_delivery(name, kind, secret=b"secret", rng=random.Random(1), now_ms=1_790_000_000_000)
        headers = headers_json(made.headers, chosen.secret_headers)
        fields = {"provider": name.encode(), "headers": headers, "body": made.body}
        assert stored_event(fields) == chosen.parse(Delivery(made.headers, made.body))


def test_a_provider_that_is_gone_is_named() -> None:
    """Its package was removed while events of it are stored."""
    with pytest.raises(SettingsError, match="provider 'gone' is not installed"):
        stored_event({"provider": b"gone", "headers": b"[]", "body": b"{}"})
