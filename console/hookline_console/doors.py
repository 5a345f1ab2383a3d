"""Connections: no stranger uses up the files and the log that the console and its alarms need themselves."""

from __future__ import annotations

import asyncio
import logging
import socket

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hookline_console.open_pages import Handler

MOST_CONNECTIONS = 200
"""A process may have 1,024 files where nobody has said otherwise, and 256 on a Mac."""
SILENT_SECONDS = 10.0
"""For so long a new connection may take for the head of its first request."""
IDLE_SECONDS = 150.0
"""For so long it is kept for a next one; a proxy keeps it for less."""
SILENT: web.AppKey[set[object]] = web.AppKey("silent", set[object])
"""Connections of which no request has come yet."""

log = structlog.get_logger(__name__)


@web.middleware
async def note_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The connection of this request is silent no more."""
    request.app[SILENT].discard(request.protocol)
    return await handler(request)


async def open_doors(runner: web.AppRunner, listener: socket.socket) -> asyncio.Server:
    """Serve what comes to the listener, by a runner that is set up."""
    logging.getLogger("aiohttp.server").addFilter(_is_no_strangers)
    return await asyncio.get_running_loop().create_server(Doors(runner), sock=listener)


class Doors:
    """Makes the protocol for each connection that comes."""

    def __init__(self, runner: web.AppRunner) -> None:
        if runner.server is None:
            raise RuntimeError("the runner is not set up")
        self._server, self._silent, self._is_full = runner.server, runner.app[SILENT], False

    def __call__(self) -> asyncio.Protocol:
        """A handler of requests, or one that sends whoever comes away."""
        was_full, self._is_full = self._is_full, len(self._server.connections) >= MOST_CONNECTIONS
        if self._is_full:
            if not was_full:
                log.warning("the console has too many connections; further ones are closed")
            return _Closed()
        handler = self._server()
        self._silent.add(handler)
        asyncio.get_running_loop().call_later(SILENT_SECONDS, self._close_if_silent, handler)
        return handler

    def _close_if_silent(self, handler: web.RequestHandler) -> None:
        if handler in self._silent:
            self._silent.discard(handler)
            handler.force_close()


class _Closed(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _is_no_strangers(record: logging.LogRecord) -> bool:
    """Whether this line is about something else than bytes that are no HTTP: those have been answered."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
