"""What the bench sends: distinct, genuine, of the size that it says."""

from __future__ import annotations

import json

import pytest

from bench.deliveries import (
    ESA_BYTES,
    ESA_SECRET,
    MISSKEY_BYTES,
    MISSKEY_SECRET,
    esa,
    esa_request,
    misskey,
    mixed_request,
    raw_events,
    write_requests,
)
from hookline import esa as esa_events
from hookline import misskey as misskey_events
from hookline.events import Event
from hookline.providers import provider
from hookline.senders import Outgoing

NUMBERS = range(200)
KINDS = [
    pytest.param("esa", esa, ESA_SECRET, ESA_BYTES, esa_events.PostCreate, id="esa"),
    pytest.param("misskey", misskey, MISSKEY_SECRET, MISSKEY_BYTES, misskey_events.Note, id="misskey"),
]


@pytest.mark.parametrize(("name", "make", "secret", "size", "event"), KINDS)
def test_each_delivery_is_genuine_and_of_its_size(name, make, secret, size, event: type[Event]) -> None:
    """Hookline takes it for what it is, and reads it."""
    verify = provider(name).verifier([secret.encode()])
    for number in NUMBERS:
        delivery: Outgoing = make(number)
        verify(delivery)
        assert len(delivery.body) == size
        assert isinstance(provider(name).parse(delivery), event)


@pytest.mark.parametrize(("name", "make", "secret", "size", "event"), KINDS)
def test_no_two_deliveries_are_repeats(name, make, secret, size, event) -> None:
    """A repeat is cheaper than a new event, and would flatter."""
    deliveries = [make(number) for number in NUMBERS]
    assert len({provider(name).dedupe_key(delivery).key for delivery in deliveries}) == len(NUMBERS)
    assert len({delivery.body for delivery in deliveries}) == len(NUMBERS)


def test_the_file_of_requests_can_be_read_from_any_of_them_on(tmp_path) -> None:
    """Each is after its length, at the byte that was told."""
    file = tmp_path / "requests"
    starts = write_requests(file, 5, mixed_request)
    content = file.read_bytes()
    length = int(content[starts[3] : starts[3] + 8])
    request = content[starts[3] + 8 : starts[3] + 8 + length]
    assert starts[4] == starts[3] + 8 + length
    assert request == esa_request(3)
    assert request.startswith(b"POST /hooks/team HTTP/1.1\r\n")


def test_what_is_filled_in_directly_has_the_headers_without_the_secret() -> None:
    """As the receiver stores them, so that memory and reading are measured on the real thing."""
    for source, name, make in (("team", "esa", esa), ("misskey", "misskey", misskey)):
        (event,) = raw_events(source, name, make, range(7, 8))
        headers = dict(json.loads(event.headers))
        assert "***" in headers.values()
        assert headers["Content-Length" if name == "esa" else "content-length"] == str(len(event.body))
        assert not {ESA_SECRET, MISSKEY_SECRET} & set(headers.values())
