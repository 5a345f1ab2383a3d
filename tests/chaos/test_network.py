"""The network that a campaign breaks: what the proxy passes on, and what it doesn't."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.network import Proxy


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy to a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while told := await reader.read(1000):
            writer.write(told)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    async with server, Proxy(lambda: address) as made:
        yield made


async def test_a_whole_network_passes_everything_on_and_the_end_too(proxy: Proxy) -> None:
    """Both ways."""
    reader, writer = await asyncio.open_connection(*proxy.address)
    writer.write(b"there and back")
    writer.write_eof()
    assert await reader.read() == b"there and back"
    writer.close()


async def test_a_cut_network_resets_what_is_open_and_what_comes(proxy: Proxy) -> None:
    """Until it is mended."""
    reader, writer = await asyncio.open_connection(*proxy.address)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    proxy.cut()
    assert await _ends(reader)
    writer.close()
    reader, writer = await asyncio.open_connection(*proxy.address)
    assert await _ends(reader)
    writer.close()
    proxy.heal()
    reader, writer = await asyncio.open_connection(*proxy.address)
    writer.write(b"after")
    assert await reader.readexactly(5) == b"after"
    writer.close()


async def test_what_a_network_swallows_arrives_when_it_is_mended(proxy: Proxy) -> None:
    """TCP sends again what was not acknowledged."""
    reader, writer = await asyncio.open_connection(*proxy.address)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    proxy.swallow()
    writer.write(b"late")
    answer = asyncio.ensure_future(reader.readexactly(4))
    done, _ = await asyncio.wait({answer}, timeout=0.05)
    assert not done
    proxy.heal()
    assert await answer == b"late"
    writer.close()


async def _ends(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionError:
        return True
