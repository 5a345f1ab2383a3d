"""The short way: which deliveries take it, and that nobody can tell from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from hookline.embedded import EmbeddedRedis
from hookline.intake import RawEvent
from hookline.providers import Delivery, provider
from hookline.senders.answer import Response, read_response
from hookline.settings import Receiver as ReceiverSettings
from hookline.store import Store
from hookline_receiver import express
from hookline_receiver.commit import GroupCommitter
from hookline_receiver.endpoints import Endpoint
from hookline_receiver.ingest import Ingest
from hookline_receiver.server import DeliveryServer

if TYPE_CHECKING:
    from conftest import Receiver

PAUSE_MS = 600
GOOD, FORGED, BROKEN = "open", "forged", "broken"


async def commit(events: Sequence[RawEvent]) -> tuple[int, list[str]]:
    """Takes everything."""
    return 0, [event.id for event in events]


def verify(_: Delivery) -> None:
    """A provider's mistake."""
    raise ZeroDivisionError


class Local:
    """A server in this process."""

    def __init__(self) -> None:
        misskey = provider("misskey")
        verifiers = {GOOD: None, FORGED: misskey.verifier([b"secret"]), BROKEN: verify}
        endpoints = {name: Endpoint(name, misskey, each, frozenset()) for name, each in verifiers.items()}
        committer = GroupCommitter(commit, timeout_seconds=3, max_waiting_bytes=2**20)
        settings = ReceiverSettings()
        self.server = DeliveryServer(Ingest(endpoints, committer, settings), idle_timeout_seconds=75)

    async def start(self) -> asyncio.Server:
        """Listen on a free port."""
        listening = await asyncio.get_running_loop().create_server(self.server, "127.0.0.1", 0)
        self._port = listening.sockets[0].getsockname()[1]
        return listening

    async def exchange(self, *pieces: bytes) -> Response:
        """The answer to a request that comes in these pieces."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)  # so that they come one by one
            return await read_response(reader)
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    """A server in this process."""
    made = Local()
    listening = await made.start()
    yield made
    listening.close()
    await made.server.shutdown(1)


def post(target: str, *headers: str, version: str = "1.1") -> bytes:
    """A delivery of two bytes."""
    lines = (f"POST {target} HTTP/{version}", "Host: x", "Content-Length: 2", *headers, "", "{}")
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("target", ["/hooks/open", "/hooks/open/"])
async def test_a_delivery_that_comes_whole_takes_the_short_way(local: Local, target: str) -> None:
    """aiohttp counts the requests that it handles; this one it never sees."""
    assert (await local.exchange(post(target))).status == 202
    assert local.server.requests_count == 0


@pytest.mark.parametrize(
    "pieces",
    [
        (post("/hooks/open?a=b"),),
        (post("/hooks/open", "Connection: close"),),
        (post("/hooks/open", version="1.0"),),
        (post("/hooks/open")[:-1], b"}"),
        (post("/hooks/open", "Connection: Upgrade", "Upgrade: h2c"),),
    ],
    ids=lambda pieces: repr(pieces[0][:40]),
)
async def test_what_is_out_of_the_ordinary_takes_the_long_way(
    local: Local, pieces: tuple[bytes, ...]
) -> None:
    """To the same answer."""
    assert (await local.exchange(*pieces)).status == 202
    assert local.server.requests_count == 1


async def test_with_an_aiohttp_that_it_does_not_know_everything_takes_the_long_way(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer one may have other insides."""
    assert express.IS_OPEN, "this aiohttp has other insides; see what the short way needs of them"
    monkeypatch.setattr(express, "IS_OPEN", False)
    assert (await local.exchange(post("/hooks/open"))).status == 202
    assert local.server.requests_count == 1


@pytest.mark.parametrize(("source", "status"), [(GOOD, 202), (FORGED, 401), (BROKEN, 503)])
async def test_both_ways_give_the_same_answer(local: Local, source: str, status: int) -> None:
    """Header by header; also where a provider fails."""
    short, long = [await local.exchange(post(f"/hooks/{source}{query}")) for query in ("", "?a=b")]
    assert local.server.requests_count == 1
    assert (short.status, long.status) == (status, status)
    assert short.headers.keys() == long.headers.keys()
    assert {name for name in short.headers if short.headers[name] != long.headers[name]} <= {"date"}
    assert time.strptime(short.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")


async def test_what_follows_a_delivery_is_answered_after_it(
    receiver: Receiver, store: Store, wait_for: Callable[..., object]
) -> None:
    """Also a request whose answer is known at once, and one that comes in pieces."""
    store.redis.client_pause(PAUSE_MS, all=False)
    async with receiver.connection() as connection:
        connection.send(receiver.raw(receiver.delivery(number=1)))
        wait_for(lambda: store.redis.info("clients")["blocked_clients"], "a commit under way")
        connection.send(b"GET /hooks/misskey HTTP/1.1\r\nHost: x\r\n\r\n")
        for byte in receiver.raw(receiver.delivery(number=2)):
            connection.send(bytes([byte]))
            await asyncio.sleep(0)
        assert [(await connection.answer()).status for _ in range(3)] == [202, 405, 202]


async def test_a_commit_that_takes_longer_than_idle_connections_live_is_answered(
    redis: EmbeddedRedis, store: Store, start_receiver: Callable[..., Receiver]
) -> None:
    """Whoever waits for us is not idle."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__IDLE_TIMEOUT_SECONDS="0.2")
    store.redis.client_pause(PAUSE_MS, all=False)
    async with receiver.connection() as connection:
        connection.send(receiver.raw(receiver.delivery()))
        assert (await connection.answer()).status == 202
        assert await connection.is_closed_within()
    assert receiver.complaints() == []
