"""The reader of the overview: a day is kept, and what came late is not missed for long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis import Redis

from hookline.keys import MINUTE_PREFIX
from hookline.operations import now_ms
from hookline.settings import Settings
from hookline_console.backend import Backend, open_backend
from hookline_console.reading import DAY, Reader

EARLIER = 30


@pytest.fixture
async def backend(redis_url: str) -> AsyncIterator[Backend]:
    """A backend on the real Redis."""
    opened = open_backend(Settings.model_validate({"redis": {"url": redis_url}}))
    yield opened
    opened.close()


def count(redis: Redis, minutes_ago: int) -> None:
    """Count one received event."""
    redis.hincrby(f"{MINUTE_PREFIX}{now_ms() // 60_000 - minutes_ago}", "received:team", 1)


async def test_a_reading_has_a_whole_day_and_what_is_new_in_it(backend: Backend, redis: Redis) -> None:
    """From the first reading on, and with every further one."""
    reader = Reader(backend)
    count(redis, EARLIER)
    count(redis, EARLIER * 20)
    first = await reader.read()
    assert len(first.day) == DAY
    assert first.counted("received:team") == 1
    assert first.counted("received:team", minutes=DAY) == 2
    count(redis, 0)
    second = await reader.read()
    assert len(second.day) == DAY
    assert second.counted("received:team") == 2
    assert [minute.at_ms for minute in second.day] == sorted({minute.at_ms for minute in second.day})


async def test_not_every_reading_is_of_the_whole_day(backend: Backend, redis: Redis) -> None:
    """It would be 1,440 commands every two seconds."""
    reader = Reader(backend)
    await reader.read()
    before = redis.info("commandstats")["cmdstat_hgetall"]["calls"]
    await reader.read()
    assert redis.info("commandstats")["cmdstat_hgetall"]["calls"] - before < 20


async def test_what_a_receiver_brings_after_an_outage_is_not_missed(backend: Backend, redis: Redis) -> None:
    """The whole day is read again now and then; here, every time."""
    reader = Reader(backend, whole_seconds=0)
    await reader.read()
    count(redis, EARLIER)
    assert (await reader.read()).counted("received:team") == 1
