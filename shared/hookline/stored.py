"""A delivery as it is stored, and read again: the body to the byte, the headers as JSON, secrets struck out.

The JSON is a list of [name, value], in their order; bytes above ASCII are the Latin-1 that HTTP means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic_core import from_json, to_json

from hookline.events import AnyEvent
from hookline.providers import Delivery, provider
from hookline.references import STRUCK_OUT


def headers_json(headers: Iterable[tuple[bytes, bytes]], secret_headers: frozenset[str]) -> bytes:
    """These headers as they are stored; those whose lower-case names are given lose their values."""
    pairs = []
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1")
        pairs.append((name, STRUCK_OUT if name.lower() in secret_headers else raw_value.decode("latin-1")))
    return to_json(pairs)


def raw_headers(pairs: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """The headers of a delivery again, from the pairs of that JSON."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def stored_event(fields: Mapping[str, bytes]) -> AnyEvent:
    """The typed event of a stored delivery, given by its fields.

    Raises ParseError and SettingsError, and where the fields or the provider are foreign whatever they raise.
    """
    delivery = Delivery(raw_headers(from_json(fields["headers"])), fields["body"])
    return provider(fields["provider"].decode()).parse(delivery)
