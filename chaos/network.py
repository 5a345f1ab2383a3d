"""The network between two sides: a TCP proxy that can cut what is open, and swallow what is sent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Self

_CHUNK_BYTES = 64 * 1024
_BACKLOG = 512
Address = tuple[str, int]


class Proxy:
    """Use as an async context manager. `upstream` says, for each connection, where it is to go.

    Cut: what is open is reset, and what comes is refused. Swallowing: nothing gets through either way and
    nothing is refused; what was sent meanwhile arrives when it ends, as TCP sends again what was not
    acknowledged, even if its sender has long given up.
    """

    def __init__(self, upstream: Callable[[], Address]) -> None:
        self._upstream = upstream
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False
        self.delay_seconds = 0.0
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=_BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._reset_all()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def address(self) -> Address:
        """Where it listens."""
        return ("127.0.0.1", self.port)

    def cut(self) -> None:
        """Reset every connection, and those that come, until `heal`."""
        self._is_cut = True
        self._reset_all()

    def swallow(self) -> None:
        """Let nothing through, until `heal`."""
        self._flows.clear()

    def heal(self) -> None:
        """As it was."""
        self._is_cut = False
        self.delay_seconds = 0.0
        self._flows.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: those that asyncio makes of a coroutine complain when they are cancelled.
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._flows.wait()
            if not self._is_cut:
                await self._join(reader, writer)
        except OSError:
            pass  # nobody listens there: whoever connected sees a reset
        finally:
            self._open.discard(writer)
            _reset(writer)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._upstream())
        self._open.add(there_writer)
        try:
            await asyncio.gather(self._pass_on(reader, there_writer), self._pass_on(there_reader, writer))
        finally:
            self._open.discard(there_writer)
            _reset(there_writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends; an end is passed on as an end, a reset as a reset."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                await self._flows.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                writer.write(chunk)
                await writer.drain()
            await self._flows.wait()
            if writer.can_write_eof() and not writer.is_closing():
                writer.write_eof()
            return
        _reset(writer)

    def _reset_all(self) -> None:
        for writer in list(self._open):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    if not writer.is_closing():
        writer.transport.abort()
