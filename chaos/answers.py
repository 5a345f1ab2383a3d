"""What came back on a connection, read more strictly than a client would."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEAD = re.compile(rb"HTTP/1\.[01] (?P<status>[0-9]{3}) [A-Za-z ]+\r\n(?:[A-Za-z-]+: [ -~]*\r\n)*\r\n")
_LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]{1,4})\r\n")


class Answer(NamedTuple):
    """What came back for one request."""

    status: int
    body: bytes


def is_whole(came: bytes | bytearray) -> bool:
    """Whether there is at least one whole answer, as far as a glance tells."""
    head, found, body = bytes(came).partition(b"\r\n\r\n")
    return bool(found) and not head.startswith(b"HTTP/1.1 100") and body.endswith(b"}\n")


def read_answers(came: bytes, *, may_be_head: bool = False) -> list[Answer]:
    """The answers in these bytes; one to a HEAD has no body. Anything else is a ValueError."""
    found, rest = [], came
    while rest:
        head = _HEAD.match(rest)
        if head is None:
            raise ValueError(f"{rest[:200]!r} is no answer")
        rest = rest[head.end() :]
        if head["status"] == b"100":
            continue
        length = _LENGTH.search(head[0])
        if length is None:
            raise ValueError("an answer without its length")
        size = int(length[1])
        if may_be_head and not rest.startswith(b"{"):
            size = 0
        elif len(rest) < size:
            raise ValueError("an answer that is cut")
        found.append(Answer(int(head["status"]), rest[:size]))
        rest = rest[size:]
    return found
