"""aiohttp's low-level server, with every answer in the words of the answer table.

It sees to what comes before and after a delivery on its connection: what isn't HTTP, bodies that break
off or are not wanted, and clients that don't read.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import StreamReader
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong, TransferEncodingError
from aiohttp.web import BaseRequest, Response, Server
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from hookline_receiver.answers import not_committed, refusal
from hookline_receiver.ingest import Ingest
from hookline_receiver.leaving import LeavingHandler

_VERSIONS = (HttpVersion11, HttpVersion10)

log = structlog.get_logger(__name__)


class DeliveryServer(Server):
    """Serves deliveries. Bodies stay compressed if they come so: a signature is over the bytes as sent."""

    def __init__(self, ingest: Ingest, *, idle_timeout_seconds: float) -> None:
        super().__init__(ingest, request_factory=_request)
        self._ingest = ingest
        self._options: dict[str, Any] = {
            "keepalive_timeout": idle_timeout_seconds,
            "auto_decompress": False,
            "access_log": None,
            "lingering_time": 0,  # LeavingHandler has its own, for all that isn't read
        }
        self._open: set[LeavingHandler] = set()
        self._linger_seconds: float | None = None
        self._is_empty = asyncio.Event()

    def __call__(self) -> RequestHandler:
        """A protocol for one connection."""
        return DeliveryProtocol(self, ingest=self._ingest, loop=self._loop, **self._options)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """A connection has come, maybe as the last of those that waited for us to accept them."""
        super().connection_made(handler, transport)
        if isinstance(handler, LeavingHandler):
            self._open.add(handler)
            if self._linger_seconds is not None:
                handler.leave(self._linger_seconds)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """A connection has gone."""
        super().connection_lost(handler, exc)
        if isinstance(handler, LeavingHandler):
            self._open.discard(handler)
        if not self._open:
            self._is_empty.set()

    async def leave(self, linger_seconds: float) -> None:
        """Answer what is under way and what still comes, and wait until every connection has ended."""
        self._linger_seconds = linger_seconds
        for handler in self._open:
            handler.leave(linger_seconds)
        while self._open:
            self._is_empty.clear()
            await self._is_empty.wait()

    def cut(self) -> None:
        """End the connections that are left, whatever is under way on them."""
        for handler in self._open:
            if handler.transport is not None:
                handler.transport.abort()


class DeliveryProtocol(LeavingHandler):
    """One connection."""

    __slots__ = ("_body", "_unread_timer")

    def __init__(
        self, manager: Server, *, ingest: Ingest, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(manager, ingest=ingest, loop=loop, **options)
        self._body: StreamReader | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def begin(self, body: StreamReader) -> None:
        """From now on the request with this body is the one that is answered."""
        super().begin(body)
        self._body = body
        self._break_off()

    def data_received(self, data: bytes) -> None:
        """Takes what comes; a body that turns out to be malformed is told to its reader at once."""
        super().data_received(data)
        self._break_off()

    def _break_off(self) -> None:
        """What follows an incomplete body can only be the parser's error, which it tells to nobody else."""
        if self._messages and self._body is not None and not self._body.is_eof():
            self._body.set_exception(TransferEncodingError("malformed chunk"))
            self._body.feed_eof()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nobody is there any more who could read."""
        self._stop_unread_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Gives a client that doesn't read its answers as long as one that sends nothing."""
        super().pause_writing()
        if self.transport is not None:
            self._unread_timer = self._loop.call_later(self.keepalive_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._stop_unread_timer()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> Response:
        """What cannot be read as HTTP is answered 400 or 413; a mistake of ours is answered 503."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is already on its way")
        if status >= 500:
            log.error("a request failed; the sender is told to try again", exc_info=exc)
            self._ingest.tally.rejected("failed", "a mistake of ours", peer=request.remote)
            return not_committed().response()
        # The exception's text quotes the request, which may hold a secret.
        log.info("request refused", reason=type(exc).__name__, peer=request.remote)
        if isinstance(exc, LineTooLong):
            self._ingest.tally.rejected("too_large", "a line of its head is too long", peer=request.remote)
            return refusal(413, "the request line or a header is too long").response()
        self._ingest.tally.rejected("not_http", "not an HTTP request", peer=request.remote)
        return refusal(400, "not an HTTP request").response()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> BaseRequest:
    if isinstance(protocol, DeliveryProtocol):
        protocol.begin(payload)
    if message.version not in _VERSIONS:  # the parser lets HTTP/0.9 and HTTP/2.0 pass
        message = message._replace(version=HttpVersion10)
    if message.url is None:  # of a CONNECT to nowhere, which would end without an answer
        message = message._replace(path="", url=URL())
    return BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
