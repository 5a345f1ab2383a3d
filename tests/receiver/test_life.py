"""How a receiver starts, shares its port, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hookline.embedded import EmbeddedRedis
from hookline.service import ServiceError
from hookline.store import Store
from hookline.workbench import RECEIVER_READY
from hookline_receiver.app import end_watches

if TYPE_CHECKING:
    from conftest import Receiver

Start = Callable[..., "Receiver"]
WAITING = 20


async def is_refused(receiver: Receiver) -> bool:
    """Whether a new connection is refused."""
    try:
        async with receiver.connection():
            return False
    except ConnectionError:  # a reset, where it was in the queue as the receiver stopped listening
        return True


async def until_refused(receiver: Receiver) -> None:
    """Try until a new connection is refused."""
    async with asyncio.timeout(30):
        while not await is_refused(receiver):
            pass


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
async def test_requests_under_way_are_committed_and_answered_before_the_end(
    redis: EmbeddedRedis, store: Store, start_receiver: Start, signum: signal.Signals
) -> None:
    """Those whose body is still to come, too; no connection is taken any more."""
    receiver = start_receiver(redis.url)
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(receiver.connection()) for _ in range(WAITING)]
        bodies = []
        for number, connection in enumerate(connections):
            head, _, body = receiver.raw(receiver.delivery(number=number)).partition(b"\r\n\r\n")
            connection.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
            assert await connection.line() == b"HTTP/1.1 100 Continue\r\n"
            await connection.line()
            bodies.append(body)
        receiver.service.signal(signum)
        receiver.wait_for_log(lambda line: line["event"] == "receiver is stopping")
        await until_refused(receiver)
        assert receiver.check("/healthz") == 200
        assert receiver.check("/readyz") == 503
        for connection, body in zip(connections, bodies, strict=True):
            connection.send(body)
        for connection in connections:
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (202, "close")
    assert receiver.service.wait() == 0
    assert len(store.event_ids()) == WAITING
    assert receiver.complaints() == []


async def test_a_commit_under_way_is_waited_for(
    redis: EmbeddedRedis, store: Store, start_receiver: Start, wait_for: Callable[..., Any]
) -> None:
    """And what waits behind it."""
    receiver = start_receiver(redis.url)
    store.redis.client_pause(60_000, all=False)
    async with contextlib.AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(receiver.connection()) for _ in range(WAITING)]
        for number, connection in enumerate(connections):
            connection.send(receiver.raw(receiver.delivery(number=number)))
            await connection.writer.drain()
        wait_for(lambda: store.redis.info("clients")["blocked_clients"], "a commit under way")
        receiver.service.signal(signal.SIGTERM)
        receiver.wait_for_log(lambda line: line["event"] == "receiver is stopping")
        store.redis.client_unpause()
        statuses = {await status(connection) for connection in connections}
    assert statuses <= {202, None}  # None: it had been accepted, but not read, when the signal came
    assert 202 in statuses
    assert receiver.service.wait() == 0
    assert receiver.complaints() == []


async def status(connection: Any) -> int | None:
    """The status of the answer, or None where the connection ended without one."""
    try:
        return int((await connection.answer()).status)
    except ConnectionError:
        return None


async def test_clients_that_have_begun_and_stalled_do_not_delay_the_end(
    redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """Half a head is no request, half a body is given `shutdown_seconds`, the idle are just closed."""
    receiver = start_receiver(
        redis.url,
        HOOKLINE_RECEIVER__SHUTDOWN_SECONDS="0.3",
        HOOKLINE_RECEIVER__BODY_TIMEOUT_SECONDS="600",
        HOOKLINE_RECEIVER__IDLE_TIMEOUT_SECONDS="600",
    )
    raw = receiver.raw(receiver.delivery())
    async with (
        receiver.connection() as half_a_head,
        receiver.connection() as half_a_body,
        receiver.connection() as idle,
        receiver.connection(),
    ):
        half_a_head.send(raw[:30])
        half_a_body.send(raw[:-1])
        idle.send(raw)
        assert (await idle.answer()).status == 202
        receiver.service.signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(receiver.service.wait) == 0
    assert receiver.complaints() == []


async def pids_that_answer(receiver: Receiver, count: int) -> set[int]:
    """Refused deliveries are sent, on new connections, until so many processes have logged one."""
    since = len(receiver.log)
    pids: set[int] = set()
    while len(pids) < count:
        answer = await receiver.exchange(b"POST /hooks/misskey HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer is not None
        assert answer.status == 401
        pids = {line["pid"] for line in receiver.log[since:] if line["event"] == "delivery refused"}
    return pids


def is_alive(pid: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_two_processes_share_the_port_and_one_that_dies_is_replaced(
    redis: EmbeddedRedis, start_receiver: Start, wait_for: Callable[..., Any]
) -> None:
    """SIGTERM ends them all."""
    receiver = start_receiver(redis.url, "--processes", "2")

    def listening() -> set[int]:
        return {line["pid"] for line in receiver.log if line["event"] == RECEIVER_READY}

    first = wait_for(lambda: len(listening()) == 2 and listening(), "two processes")
    async with asyncio.timeout(30):
        assert await pids_that_answer(receiver, 2) == first
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    replaced = receiver.wait_for_log(lambda line: line["event"] == "receiver process died and is replaced")
    assert replaced["status"] == "signal 9"
    (successor,) = wait_for(lambda: listening() - first, "another process")
    async with asyncio.timeout(30):
        assert await pids_that_answer(receiver, 2) == {successor, *first} - {victim}
    assert (await receiver.post(receiver.delivery())).outcome == "202 queued"
    assert receiver.check("/readyz") == 200
    assert receiver.service.stop() == 0
    assert await is_refused(receiver)
    assert not any(is_alive(pid) for pid in {successor, *first})
    assert receiver.complaints() == []


def why_it_does_not_start(receiver: Receiver) -> str:
    """What a receiver says that ends with status 2."""
    with pytest.raises(ServiceError) as told:
        receiver.wait_until_ready()
    assert receiver.service.wait() == 2
    return str(told.value)


@pytest.mark.parametrize("setting", ["port", "admin_port"])
def test_a_port_in_use_is_named(closed_redis_url: str, start_receiver: Start, setting: str) -> None:
    """And what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        variable = {f"HOOKLINE_RECEIVER__{setting.upper()}": str(port)}
        receiver = start_receiver(closed_redis_url, wait=False, **variable)
        assert why_it_does_not_start(receiver) == (
            f"receiver.{setting}: cannot listen on 127.0.0.1:{port}: Address already in use; choose another"
        )


def test_every_source_without_its_secret_is_named(closed_redis_url: str, start_receiver: Start) -> None:
    """All at once."""
    receiver = start_receiver(
        closed_redis_url,
        wait=False,
        HOOKLINE_SOURCES__MISSKEY__SECRETS="env:NOT_THERE",
        HOOKLINE_SOURCES__TEAM__SECRETS="file:/not/there",
    )
    assert why_it_does_not_start(receiver).splitlines() == [
        "sources.misskey: secret 'env:NOT_THERE': the environment variable NOT_THERE is not set",
        "sources.team: secret 'file:/not/there': No such file or directory",
    ]


@pytest.mark.parametrize("secret", ["", " \t\n"])
@pytest.mark.parametrize(("source", "variable"), [("misskey", "MISSKEY"), ("team", "ESA")])
def test_an_empty_secret_is_no_secret(
    closed_redis_url: str, start_receiver: Start, source: str, variable: str, secret: str
) -> None:
    """Whoever sends an empty header would be let in."""
    name = f"TEST_{variable}_SECRET"
    receiver = start_receiver(closed_redis_url, wait=False, **{name: secret})
    assert why_it_does_not_start(receiver) == (
        f"sources.{source}: secret 'env:{name}' is empty, and an empty secret is no secret"
    )


def test_a_missing_password_of_redis_is_named(closed_redis_url: str, start_receiver: Start) -> None:
    """Before anything listens."""
    receiver = start_receiver(closed_redis_url, wait=False, HOOKLINE_REDIS__PASSWORD="env:NOT_THERE")
    assert "environment variable NOT_THERE is not set" in why_it_does_not_start(receiver)


def test_without_any_source_there_is_nothing_to_receive(
    closed_redis_url: str, start_receiver: Start, tmp_path: Path
) -> None:
    """The message says what to write."""
    empty = tmp_path / "empty.toml"
    empty.touch()
    receiver = start_receiver(closed_redis_url, wait=False, HOOKLINE_CONFIG=str(empty))
    assert "[sources.<name>]" in why_it_does_not_start(receiver)


async def test_it_starts_without_redis(closed_redis_url: str, start_receiver: Start) -> None:
    """Whatever the order in which a machine comes up: 503 until Redis is there."""
    receiver = start_receiver(closed_redis_url)
    assert (await receiver.post(receiver.delivery())).status == 503
    assert receiver.check("/healthz") == 200
    assert receiver.check("/readyz") == 503
    assert receiver.service.stop() == 0
    assert receiver.complaints() == []


@pytest.fixture
def closed_redis_url() -> str:
    """The URL of a Redis that isn't there."""
    return "unix:///nowhere/redis.sock"


async def test_what_takes_a_cancellation_for_itself_is_cancelled_again() -> None:
    """redis-py does, now and then; a receiver that waited for its end would never stop."""
    taken = 0

    async def watch() -> None:
        nonlocal taken
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                taken += 1
                if taken == 3:
                    raise

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await end_watches([watching])
    assert watching.cancelled()
