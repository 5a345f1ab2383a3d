"""Strangers who only hold connections, or send what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from hookline.settings import Settings
from hookline_console import doors
from hookline_console.app import make_app
from hookline_console.backend import open_backend
from hookline_console.passwords import Password

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PATIENCE_SECONDS = 20.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def port(redis_url: str) -> AsyncIterator[int]:
    """Where a console is, with the doors that it has as a process."""
    settings = Settings.model_validate({"redis": {"url": redis_url}})
    runner = web.AppRunner(make_app(settings, Password(b"any"), open_backend(settings)), access_log=None)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    server = await doors.open_doors(runner, listener)
    yield listener.getsockname()[1]
    server.close()
    await runner.cleanup()


async def knock(port: int, sent: bytes) -> Connection:
    """A connection on which just this was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


async def first_line(connection: Connection) -> bytes:
    """What is answered; nothing where the connection is closed. Closes it."""
    reader, writer = connection
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.readline()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_who_says_nothing_is_not_waited_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor who begins a request and never ends its head."""
    monkeypatch.setattr(doors, "SILENT_SECONDS", 0.05)
    assert await first_line(await knock(port, b"")) == b""
    assert await first_line(await knock(port, ALIVE[:-2])) == b""


async def test_who_has_asked_may_stay(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser keeps its connections, and watches on them."""
    monkeypatch.setattr(doors, "SILENT_SECONDS", 0.05)
    reader, writer = await knock(port, ALIVE)
    for _ in range(3):
        assert (await reader.readuntil(b'"alive"}')).startswith(b"HTTP/1.1 200 ")
        silent = await knock(port, b"")  # when this one is closed, the time of ours has passed, too
        assert await first_line(silent) == b""
        writer.write(ALIVE)
    writer.close()


async def test_no_more_connections_are_held_than_it_has_files_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are there are served, and when one has gone there is place for another."""
    monkeypatch.setattr(doors, "MOST_CONNECTIONS", 2)
    first = await knock(port, ALIVE)
    await first[0].readuntil(b'"alive"}')
    second = await knock(port, ALIVE)
    await second[0].readuntil(b'"alive"}')
    assert await first_line(await knock(port, ALIVE)) == b""
    second[1].write(ALIVE)
    assert await first_line(second) == b"HTTP/1.1 200 OK\r\n"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await first_line(await knock(port, ALIVE)) == b"":
            pass
    first[1].close()


async def test_what_is_no_http_is_answered_and_not_told_in_the_log(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Who scans ports would fill it with tracebacks."""
    with caplog.at_level(logging.INFO):
        answer = await first_line(await knock(port, b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert caplog.records == []
