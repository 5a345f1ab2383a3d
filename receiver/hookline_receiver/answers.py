"""The answers of the table in docs/receiver.md. None says why a signature failed; that is for the log."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from functools import cache, lru_cache
from http import HTTPStatus
from typing import NamedTuple

from aiohttp.web import Response

RETRY_AFTER_SECONDS = 10
_SERVER = "hookline"  # aiohttp would tell its version and Python's
_JSON = "application/json"


class Answer(NamedTuple):
    """An answer, before it is known on what kind of connection it goes out."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> Response:
        """For aiohttp, which sees to the version, the method and the end of the connection."""
        return Response(
            body=self.body,
            status=self.status,
            headers={"Server": _SERVER, **dict(self.headers)},
            content_type=_JSON,
        )

    def wire(self, *, is_last: bool) -> bytes:
        """The bytes for a client of HTTP/1.1 that sent a POST; after the last one the connection ends."""
        head = _head(self.status, self.headers, is_last)
        return b"%bContent-Length: %d\r\nDate: %b\r\n\r\n%b" % (
            head,
            len(self.body),
            _date(int(time.time())),
            self.body,
        )


def committed(event_id: str, *, is_duplicate: bool) -> Answer:
    """202: it is stored, now or before; the id is that of the first."""
    status = "duplicate" if is_duplicate else "queued"
    return Answer(202, f'{{"id":"{event_id}","status":"{status}"}}\n'.encode())


def refusal(status: int, error: str, **headers: str) -> Answer:
    """An answer that says what is wrong; `Retry_After` is written for Retry-After."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, json.dumps({"error": error}).encode() + b"\n", named)


def not_committed() -> Answer:
    """503: nothing is stored, and the sender should try again."""
    return refusal(503, "not stored; try again", Retry_After=str(RETRY_AFTER_SECONDS))


@cache  # there are as many as the table has lines
def _head(status: int, headers: tuple[tuple[str, str], ...], is_last: bool) -> bytes:
    named = [("Server", _SERVER), *headers, ("Content-Type", _JSON)]
    if is_last:
        named.append(("Connection", "close"))
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in named)]
    return "".join(f"{line}\r\n" for line in lines).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
