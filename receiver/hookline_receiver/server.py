"""aiohttp's low-level server, with every answer in the words of the answer table.

It sees to what comes before and after a delivery on its connection: what isn't HTTP, bodies that break
off or are not wanted, clients that don't read, and the end of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog
from aiohttp import StreamReader
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion10, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import LineTooLong, TransferEncodingError
from aiohttp.web import BaseRequest, Response, Server, StreamResponse
from aiohttp.web_protocol import RequestHandler

from hookline_receiver.answers import not_committed, refusal
from hookline_receiver.express import ExpressHandler
from hookline_receiver.ingest import Ingest

LINGERING_SECONDS = 2.0
"""How long the rest of what is refused is read and thrown away, so that the sender gets to see the answer."""

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
            "lingering_time": 0,  # DeliveryProtocol has its own, for all that isn't read
        }

    def __call__(self) -> RequestHandler:
        """A protocol for one connection."""
        return DeliveryProtocol(self, ingest=self._ingest, loop=self._loop, **self._options)


class DeliveryProtocol(ExpressHandler):
    """One connection."""

    __slots__ = ("_body", "_finished", "_lost", "_unread_timer")

    def __init__(
        self, manager: Server, *, ingest: Ingest, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(manager, ingest=ingest, loop=loop, **options)
        self._body: StreamReader | None = None
        self._finished: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[None] | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def begin(self, body: StreamReader) -> None:
        """From now on the request with this body is the one that is answered."""
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

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Sends the answer. After a request that wasn't read to its end, the connection ends with it."""
        is_last = not request.content.is_eof() or resp.status in (400, 413)
        if is_last or self._is_stopping:
            resp.force_close()
        resp, is_lost = await super().finish_response(request, resp, start_time)
        _wake(self._finished)
        if is_last and not is_lost:
            await self._linger(request.content)
        return resp, is_lost

    async def _linger(self, body: StreamReader) -> None:
        """Throw away what still comes: closing with bytes unread would take the answer from the sender."""
        super().close()
        if not body.is_eof():
            body.feed_eof()
        if self.transport is None:
            return
        try:
            self.transport.write_eof()
        except OSError:  # it is gone, which nobody has told us yet
            return
        self.transport.resume_reading()
        self._lost = self._loop.create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGERING_SECONDS):
                await self._lost

    def close(self) -> None:
        """No further request. One that is still arriving goes on: aiohttp itself would no longer read it."""
        self._is_stopping = True
        if not self._is_receiving():
            super().close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 (aiohttp's signature)
        """Gives a request that is still arriving until the time-out, then ends the connection."""
        if self._is_receiving():
            self._finished = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout):
                    await self._finished
            except TimeoutError:
                if self.transport is not None:
                    self.transport.abort()
        await super().shutdown(timeout)

    def _is_receiving(self) -> bool:
        return (
            self._is_committing
            or bool(self._messages)
            or (self._body is not None and not self._body.is_eof())
        )

    def answered(self) -> None:
        """The express delivery that was under way is: end the connection, if that was waited for."""
        super().answered()
        if self._is_stopping:
            super().close()
        _wake(self._finished)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends the lingering, and whatever else waits for this connection."""
        self._stop_unread_timer()
        _wake(self._lost)
        _wake(self._finished)
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
            return not_committed().response()
        # The exception's text quotes the request, which may hold a secret.
        log.info("request refused", reason=type(exc).__name__, peer=request.remote)
        if isinstance(exc, LineTooLong):
            return refusal(413, "the request line or a header is too long").response()
        return refusal(400, "not an HTTP request").response()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


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
    return BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())
