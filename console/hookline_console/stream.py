"""Server-sent events: a connection that says what is new, until viewer, login or process goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

from aiohttp import web

from hookline.connections import is_unavailable
from hookline_console.state import console_of, session_of

WRITE_SECONDS = 30.0
"""A viewer that takes nothing for so long is left."""
BEGINNING = b"retry: 3000\n\n"
HEARTBEAT = b":\n\n"


class Message(NamedTuple):
    """What the page's script is told: the name of a listener, and what it is given as JSON."""

    name: str
    data: Any

    def encoded(self) -> bytes:
        """As it goes over the wire. JSON has no line feeds."""
        return f"event: {self.name}\ndata: {json.dumps(self.data, ensure_ascii=False)}\n\n".encode()


async def stream(request: web.Request, messages: AsyncGenerator[Message, None]) -> web.StreamResponse:
    """Send these messages as they come; the generator is closed in the end."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
    )
    await response.prepare(request)
    with contextlib.suppress(ConnectionError, TimeoutError):
        await _write(response, BEGINNING)
        await _send(request, response, messages)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, messages: AsyncGenerator[Message, None]
) -> None:
    console, loop = console_of(request), asyncio.get_running_loop()
    stopping = asyncio.ensure_future(console.stopping.wait())
    upcoming = asyncio.ensure_future(anext(messages, None))
    looked_at = loop.time()
    try:
        while True:
            await asyncio.wait(
                {stopping, upcoming}, timeout=console.heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if loop.time() - looked_at >= console.heartbeat_seconds:
                looked_at = loop.time()
                if not await _still_holds(request):
                    return
            if stopping.done() or (upcoming.done() and upcoming.result() is None):
                return
            if not upcoming.done():
                await _write(response, HEARTBEAT)
            elif message := upcoming.result():
                await _write(response, message.encoded())
                upcoming = asyncio.ensure_future(anext(messages, None))
    finally:
        for each in (stopping, upcoming):
            each.cancel()
        await asyncio.wait({stopping, upcoming})
        await messages.aclose()


async def _still_holds(request: web.Request) -> bool:
    """Is whoever watches still logged in? As long as Redis doesn't say no, yes."""
    session = session_of(request)
    if session is None or not session.token:
        return session is not None
    try:
        return await console_of(request).sessions.find(session.token) is not None
    except Exception as error:
        if isinstance(error, TimeoutError) or is_unavailable(error):
            return True
        raise


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(data)
