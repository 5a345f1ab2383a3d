"""An event as the spool keeps it: bytes with a checksum, so that nothing else is taken for one."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import NamedTuple

from hookline.intake import RawEvent

_WORDS = RawEvent._fields.index("headers")
"""How many fields come before the headers and the body."""


class DamagedError(Exception):
    """Raised when what a file has is not what was written to it."""


class Record(NamedTuple):
    """An event in the spool, and its place in the order."""

    seq: int
    event: RawEvent


def pack(event: RawEvent) -> bytes:
    """The event: a line of JSON, then its headers and its body as they are."""
    *words, headers, body, trace = event
    head = [*words, len(headers), trace] if trace else [*words, len(headers)]
    return json.dumps(head).encode() + b"\n" + headers + body


def unpack(digest: object, packed: object) -> RawEvent:
    """The event that was packed; raises DamagedError for anything else."""
    if not isinstance(packed, bytes) or digest != digest_of(packed):
        raise DamagedError("a record is not what was written")
    head, _, rest = packed.partition(b"\n")
    told = json.loads(head)
    words, size, trace = told[:_WORDS], told[_WORDS], told[_WORDS + 1 :] or [""]
    return RawEvent._make([*words, rest[:size], rest[size:], *trace])


def digest_of(packed: bytes) -> bytes:
    """What is stored beside it."""
    return blake2b(packed, digest_size=16).digest()
