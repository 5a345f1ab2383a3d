"""How a connection ends: never under a request that has come, and with nobody's bytes thrown back at them.

A receiver that leaves answers what comes on its connections, and says in each answer that it is the last.
One on which nothing comes for a while is half-closed first, so that its client sees an end and no reset.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import StreamReader
from aiohttp.web import BaseRequest, Server, StreamResponse

from hookline_receiver.express import ExpressHandler
from hookline_receiver.ingest import Ingest

LINGERING_SECONDS = 2.0
"""How long what still comes is read and thrown away, so that the sender gets to see the last answer."""


class LeavingHandler(ExpressHandler):
    """One connection, and how it ends."""

    __slots__ = ("_end_timer", "_is_answering", "_linger_seconds", "_lost", "_quiet_timer")

    def __init__(
        self, manager: Server, *, ingest: Ingest, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(manager, ingest=ingest, loop=loop, **options)
        self._is_answering = False
        self._linger_seconds = 0.0
        self._lost: asyncio.Future[None] | None = None
        self._quiet_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None

    def begin(self, body: StreamReader) -> None:
        """From now on the request with this body is the one that is answered."""
        self._is_answering = True

    def leave(self, linger_seconds: float) -> None:
        """Let the next answer be the last; where nothing comes for so long, end without one."""
        self._is_stopping = True
        self._linger_seconds = linger_seconds
        self._wait_until_quiet()

    def data_received(self, data: bytes) -> None:
        """Takes what comes."""
        if self._is_stopping:
            self._wait_until_quiet()
        super().data_received(data)

    def _wait_until_quiet(self) -> None:
        if self._quiet_timer is not None:
            self._quiet_timer.cancel()
        self._quiet_timer = self._loop.call_later(self._linger_seconds, self._end_if_quiet)

    def _end_if_quiet(self) -> None:
        if not (self._is_committing or self._is_answering or self._messages):
            self._half_close(self._linger_seconds)

    def answered(self) -> None:
        """The express delivery that was under way is; without another behind it, it was the last."""
        was_last = self.is_last()
        super().answered()
        if was_last:
            self._half_close(LINGERING_SECONDS)

    async def finish_response(
        self, request: BaseRequest, resp: StreamResponse, start_time: float | None
    ) -> tuple[StreamResponse, bool]:
        """Sends the answer. After a request that wasn't read to its end, the connection ends with it."""
        is_last = not request.content.is_eof() or resp.status in (400, 413) or self.is_last()
        if is_last:
            resp.force_close()
        resp, is_lost = await super().finish_response(request, resp, start_time)
        self._is_answering = False
        if is_last and not is_lost and self.transport is not None:
            if not request.content.is_eof():
                request.content.feed_eof()
            self._lost = self._loop.create_future()
            self._half_close(LINGERING_SECONDS)
            await self._lost
        return resp, is_lost

    def _half_close(self, seconds: float) -> None:
        """Send the end, and throw away what still comes: closing with bytes unread would be a reset."""
        if self.transport is None or self._end_timer is not None:
            return
        self.close()
        with contextlib.suppress(OSError):  # it is gone, which nobody has told us yet
            self.transport.write_eof()
        self.transport.resume_reading()
        self._end_timer = self._loop.call_later(seconds, self.transport.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends whatever waits for this connection."""
        for timer in (self._quiet_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        super().connection_lost(exc)
