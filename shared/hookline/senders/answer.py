"""What comes back from a receiver: an HTTP answer read off the stream, whatever server wrote it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_ANSWER_BYTES = 1024 * 1024
_NO_BODY = frozenset({204, 304})


class NothingCameBackError(ConnectionError):
    """Raised when the connection ended before the first byte of an answer."""


class MalformedAnswerError(ValueError):
    """Raised when what came back is not HTTP, or is larger than an answer can sensibly be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one post. `status` is 0 where no answer came, and `error` then says why.

    `body` is the answer's JSON object, None where it is anything else; `text` is it as it came.
    """

    status: int
    body: dict[str, Any] | None
    seconds: float
    error: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def is_success(self) -> bool:
        """Whether the sender would count it as delivered."""
        return 200 <= self.status < 300

    @property
    def outcome(self) -> str:
        """In two words, to count by: `202 queued`, `202 duplicate`, `503`, `network error: …`."""
        if not self.status:
            return f"network error: {self.error}"
        state = (self.body or {}).get("status") if self.is_success else None
        return f"{self.status} {state}" if isinstance(state, str) else str(self.status)


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    keeps_alive: bool

    def json_object(self) -> dict[str, Any] | None:
        """The body, where it is a JSON object."""
        try:
            value = json.loads(self.content)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


async def read_response(reader: asyncio.StreamReader) -> Response:
    """The next final response on the stream; interim ones (1xx) are passed over.

    Raises NothingCameBackError where the stream ended before its first byte, IncompleteReadError or
    another OSError where it ended later, and MalformedAnswerError for what is not an answer.
    """
    try:
        first = await reader.readexactly(1)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise NothingCameBackError("the server closed the connection without an answer") from error
    version, status, headers = await _read_head(reader, first)
    while 100 <= status < 200:
        version, status, headers = await _read_head(reader, b"")
    content, is_delimited = await _read_content(reader, status, headers)
    connection = headers.get("connection", "").lower()
    stays_open = "close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection
    return Response(status, headers, content, keeps_alive=stays_open and is_delimited)


async def _read_head(reader: asyncio.StreamReader, first: bytes) -> tuple[str, int, dict[str, str]]:
    try:
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise MalformedAnswerError("the head of the answer does not end") from error
    status_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if version not in ("HTTP/1.0", "HTTP/1.1") or not (rest[:3].isascii() and rest[:3].isdigit()):
        raise MalformedAnswerError(f"the answer is not HTTP/1.1: it begins {status_line[:60]!r}")
    fields = (line.partition(":") for line in lines)
    return version, int(rest[:3]), {name.strip().lower(): value.strip() for name, _, value in fields}


async def _read_content(
    reader: asyncio.StreamReader, status: int, headers: Mapping[str, str]
) -> tuple[bytes, bool]:
    """The body, and whether its end could be told without the connection's end."""
    if status in _NO_BODY:
        return b"", True
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader), True
    if (length := headers.get("content-length")) is not None:
        return await reader.readexactly(_size(length, 10)), True
    content = await reader.read(MAX_ANSWER_BYTES)
    while chunk := await reader.read(MAX_ANSWER_BYTES):
        content += chunk
        _size(f"{len(content)}", 10)
    return content, False


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while size := _size((await _read_line(reader)).partition(b";")[0].decode("latin-1"), 16):
        content += await reader.readexactly(size)
        _size(f"{len(content)}", 10)
        await _read_line(reader)
    while await _read_line(reader):  # trailers
        pass
    return content


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\r\n")).removesuffix(b"\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedAnswerError("a line of the answer does not end") from error


def _size(digits: str, radix: int) -> int:
    try:
        size = int(digits.strip(), radix)
    except ValueError as error:
        raise MalformedAnswerError(f"the answer gives {digits[:60]!r} as a length") from error
    if not 0 <= size <= MAX_ANSWER_BYTES:
        raise MalformedAnswerError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
    return size
