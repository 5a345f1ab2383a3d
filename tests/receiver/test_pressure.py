"""Back-pressure: what Redis has too much of is spooled, or answered 503, and told once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import connect, connect_async
from hookline.embedded import EmbeddedRedis
from hookline.keys import COUNTERS_KEY, OPEN_COUNTER, OPEN_KEY
from hookline.settings import Receiver as ReceiverSettings
from hookline.settings import Redis as RedisSettings
from hookline.store import Store
from hookline_receiver.detour import NOTHING, Detour
from hookline_receiver.pressure import Pressure

if TYPE_CHECKING:
    from conftest import Receiver

ENOUGH = "redis has enough; deliveries are spooled, or refused without a spool"
BELOW = "redis is below its limits again"
SHARE = (
    "a source has more than its share of the unfinished events; its deliveries are spooled, "
    "or refused without a spool"
)
MOST = 100


@pytest.fixture
async def client(redis: EmbeddedRedis) -> AsyncIterator[AsyncRedis]:
    """As the receiver has it."""
    async with connect_async(RedisSettings(url=redis.url)) as client:
        yield client


def unfinished(redis: Redis, **shares: int) -> None:
    """Let so many events of each source be unfinished."""
    redis.delete(OPEN_KEY)
    for source, count in shares.items():
        redis.hset(COUNTERS_KEY, OPEN_COUNTER + source, count)
        if count:
            redis.sadd(OPEN_KEY, *(f"{source}-{number}" for number in range(count)))


def make(client: AsyncRedis) -> tuple[Pressure, Detour]:
    """One that looks when the test says so."""
    detour = Detour()
    return Pressure(client, ReceiverSettings(max_waiting_events=MOST), ["a", "b"], detour), detour


async def test_nothing_is_held_while_there_is_little(client: AsyncRedis, store: Store) -> None:
    """Nor in an empty Redis."""
    pressure, detour = make(client)
    await pressure.look()
    assert detour.hold is NOTHING
    unfinished(store.redis, a=70, b=5)
    await pressure.look()
    assert detour.hold is NOTHING
    assert not detour.is_needed


async def test_a_source_over_its_share_is_held_alone(client: AsyncRedis, store: Store) -> None:
    """Until it is well below: not on and off with every event."""
    pressure, detour = make(client)
    unfinished(store.redis, a=75, b=0)
    await pressure.look()
    assert (detour.is_for("a"), detour.is_for("b")) == (True, False)
    unfinished(store.redis, a=73, b=0)
    await pressure.look()
    assert detour.is_for("a")
    unfinished(store.redis, a=70, b=0)
    await pressure.look()
    assert detour.hold is NOTHING


async def test_at_the_limit_all_are_held(client: AsyncRedis, store: Store) -> None:
    """Also those who have nothing there."""
    pressure, detour = make(client)
    unfinished(store.redis, a=50, other=50)
    await pressure.look()
    assert detour.is_for("b")
    unfinished(store.redis, a=10, other=86)
    await pressure.look()
    assert detour.is_for("b")
    unfinished(store.redis, a=10, other=84)
    await pressure.look()
    assert not detour.is_for("b")


async def test_what_was_found_holds_while_redis_is_away(own_redis: EmbeddedRedis) -> None:
    """And looking doesn't raise."""
    async with connect_async(RedisSettings(url=own_redis.url)) as client:
        pressure, detour = make(client)
        await client.sadd(OPEN_KEY, *map(str, range(MOST)))
        await pressure.look()
        own_redis.stop()
        await pressure.look()
        assert detour.hold.reason == "receiver.max_waiting_events"


async def test_a_server_that_refuses_info_has_no_limit_on_memory(own_redis: EmbeddedRedis) -> None:
    """As managed ones do; the rest is looked at all the same."""
    with connect(RedisSettings(url=own_redis.url)) as admin:
        admin.config_set("maxmemory", "1")
        admin.execute_command("ACL", "SETUSER", "default", "-info")
        async with connect_async(RedisSettings(url=own_redis.url)) as client:
            pressure, detour = make(client)
            await pressure.look()
            assert detour.hold is NOTHING


async def test_looking_is_one_round_trip(client: AsyncRedis) -> None:
    """Whatever the number of sources."""
    pressure, _ = make(client)
    await pressure.look()
    before = (await client.info("stats"))["total_commands_processed"]
    await pressure.look()
    assert (await client.info("stats"))["total_commands_processed"] - before == 4  # with this INFO


@pytest.mark.parametrize("with_spool", [False, True], ids=["503", "spool"])
async def test_more_unfinished_events_than_the_limit(
    redis: EmbeddedRedis,
    store: Store,
    start_receiver: Callable[..., Receiver],
    tmp_path: Path,
    wait_for: Callable[..., None],
    with_spool: bool,
) -> None:
    """Redis gets no more until the workers have caught up; what was spooled follows then."""
    spool = {"HOOKLINE_SPOOL__FOLDER": str(tmp_path / "spool")} if with_spool else {}
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__MAX_WAITING_EVENTS="100", **spool)
    unfinished(store.redis, somebody=100)
    receiver.wait_for_log(lambda line: line["event"] == ENOUGH)
    answer = await receiver.post(receiver.delivery())
    assert answer.outcome == ("202 queued" if with_spool else "503")
    assert receiver.check("/readyz") == (200 if with_spool else 503)
    assert len(store.event_ids()) == 0
    unfinished(store.redis, somebody=10)
    receiver.wait_for_log(lambda line: line["event"] == BELOW)
    assert (await receiver.post(receiver.delivery(number=2))).status == 202
    wait_for(lambda: len(store.event_ids()) == 1 + with_spool, "the events")
    assert [line["event"] for line in receiver.log if line["event"] in (ENOUGH, BELOW)] == [ENOUGH, BELOW]
    assert receiver.complaints() == []


async def test_one_source_over_its_share_leaves_room_for_another(
    redis: EmbeddedRedis, store: Store, start_receiver: Callable[..., Receiver]
) -> None:
    """503 for the one, 202 for the other."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__MAX_WAITING_EVENTS="100")
    unfinished(store.redis, misskey=80)
    receiver.wait_for_log(lambda line: line["event"] == SHARE and line["source"] == "misskey")
    assert (await receiver.post(receiver.delivery())).status == 503
    assert (await receiver.post(receiver.delivery(number=1), "open")).status == 202
    assert receiver.check("/readyz") == 200


async def test_a_redis_whose_memory_is_nearly_full_gets_no_more(
    own_redis: EmbeddedRedis,
    start_receiver: Callable[..., Receiver],
    tmp_path: Path,
    wait_for: Callable[..., None],
) -> None:
    """Before it refuses what the workers have to write; and never with an exception."""
    receiver = start_receiver(own_redis.url, HOOKLINE_SPOOL__FOLDER=str(tmp_path / "spool"))
    with connect(RedisSettings(url=own_redis.url)) as client:
        most = client.info("memory")["used_memory"] + 40 * 1024 * 1024
        client.config_set("maxmemory", most)
        for number in range(10_000):
            if client.info("memory")["used_memory"] > most * 0.92:
                break
            client.set(f"filler:{number}", b"x" * 500_000)
        receiver.wait_for_log(lambda line: line["event"] == ENOUGH)
        spooled = [await receiver.post(receiver.delivery(number=number)) for number in range(5)]
        assert {answer.outcome for answer in spooled} == {"202 queued"}
        assert len(Store(client).event_ids()) == 0
        client.set("the workers", "can write still")
        client.delete(*client.keys("filler:*"))
        wait_for(lambda: len(Store(client).event_ids()) == 5, "the end of the drain")
    assert receiver.complaints() == []
