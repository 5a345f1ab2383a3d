"""The short way for a delivery that comes whole, on a connection where nothing else is under way.

It is answered from `data_received` on: verified at once, committed with its group, and its answer written
by the commit itself. So it costs no task, no future, no request and no response object. Whatever is out
of the ordinary takes aiohttp's own way, to the same answers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import StreamReader
from aiohttp.http import HttpRequestParser, HttpVersion11, RawRequestMessage
from aiohttp.web import Server
from aiohttp.web_protocol import RequestHandler

from hookline.providers import Delivery
from hookline_receiver.answers import Answer, not_committed
from hookline_receiver.endpoints import Endpoint
from hookline_receiver.ingest import Ingest

log = structlog.get_logger(__name__)

_NEEDED = {"_waiter", "_messages", "_parser", "_next_keepalive_close_time", "_process_keepalive"}
IS_OPEN = _NEEDED.issubset(dir(RequestHandler)) and hasattr(HttpRequestParser, "message_consumed")
"""Whether this aiohttp has what the short way needs of its insides; else every request goes the other way."""


class ExpressHandler(RequestHandler):
    """aiohttp's handler of one connection, which sees only the requests that don't take the short way."""

    __slots__ = ("_held", "_ingest", "_is_committing", "_is_stopping", "_peer")

    def __init__(
        self, manager: Server, *, ingest: Ingest, loop: asyncio.AbstractEventLoop, **options: Any
    ) -> None:
        super().__init__(manager, loop=loop, **options)
        self._ingest = ingest
        self._is_committing = False
        self._is_stopping = False
        self._held = b""
        self._peer: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection has come."""
        super().connection_made(transport)
        peername = transport.get_extra_info("peername")
        self._peer = str(peername[0]) if isinstance(peername, list | tuple) else peername

    def data_received(self, data: bytes) -> None:
        """Takes what comes. What comes before the answer to a delivery is out is held back until then."""
        if self._is_committing:
            if data and self.transport is not None:  # aiohttp calls it with nothing when a body is read
                self._held += data
                self.transport.pause_reading()
            return
        idle = self._waiter  # what aiohttp waits with for the next request, unless one is under way
        if not IS_OPEN or idle is None or idle.done() or self._is_stopping:
            super().data_received(data)
            return
        self._waiter = None
        try:
            super().data_received(data)
        finally:
            self._waiter = idle
        if self._messages and not self._take(*self._messages[0]):
            idle.set_result(None)

    def _take(self, message: Any, body: StreamReader) -> bool:
        """Whether this request takes the short way, and if so, it is on it."""
        if (
            len(self._messages) > 1
            or not isinstance(message, RawRequestMessage)
            or message.should_close
            or message.upgrade
            or message.version != HttpVersion11
            or self.writing_paused
        ):
            return False
        endpoint = self._ingest.ready(message, body)
        if endpoint is None or self._parser is None:
            return False
        self._messages.clear()
        self._parser.message_consumed()
        self._is_committing = True
        self._accept(endpoint, Delivery(message.raw_headers, body.read_nowait()))
        return True

    def _accept(self, endpoint: Endpoint, delivery: Delivery) -> None:
        try:
            self._ingest.accept(endpoint, delivery, self._peer, self._answer)
        except Exception:  # a provider's mistake, or ours: the sender has to be told all the same
            log.exception("a request failed; the sender is told to try again")
            self._ingest.tally.rejected("failed", "a mistake of ours", source=endpoint.name, peer=self._peer)
            self._answer(not_committed())

    def _answer(self, answer: Answer) -> None:
        if self.transport is None or self.transport.is_closing():  # its sender will try again
            return
        self.transport.write(answer.wire(is_last=self.is_last()))
        self.answered()

    def is_last(self) -> bool:
        """Whether the answer that goes out next ends the connection: we stop, and no request is behind it."""
        return self._is_stopping and not self._held and not self._messages

    def answered(self) -> None:
        """The delivery that was under way is answered; on with what came meanwhile."""
        self._is_committing = False
        self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
        if self._held and self.transport is not None:
            held, self._held = self._held, b""
            self.transport.resume_reading()
            self.data_received(held)

    def _process_keepalive(self) -> None:
        """A connection whose delivery is being committed is not idle."""
        if self._is_committing:
            self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
        super()._process_keepalive()
