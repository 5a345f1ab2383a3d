"""A store, and events in it as receivers and workers leave them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hookline.connections import connect_async
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

if TYPE_CHECKING:
    from redis import Redis

Stored = Callable[..., list[str]]


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


@pytest.fixture
def stored(store: Store, redis_url: str) -> Stored:
    """Store so many events in this state, each received a ms after the one before."""
    began_at_ms = now_ms() - 60_000
    numbers = itertools.count()

    def stored(count: int, state: str, *, source: str = "misskey", at_ms: int | None = None) -> list[str]:
        times = [at_ms or began_at_ms + next(numbers) for _ in range(count)]
        ids = asyncio.run(committed(redis_url, source, times))
        if state != "queued":
            store.take("a", 10_000, ids, execution="job:a")
            store.record("a", [Change(event_id, {}, state) for event_id in ids])
        return ids

    return stored


async def committed(url: str, source: str, times_ms: list[int]) -> list[str]:
    """The ids of events of this source, received at these times."""
    events = [
        RawEvent(new_event_id(at), source, "misskey", at, new_event_id(at), 60_000, b"[]", b"{}")
        for at in times_ms
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    return ids
