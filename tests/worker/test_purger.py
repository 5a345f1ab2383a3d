"""Finished events are kept for as long, and as many of them, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from hookline.connections import connect_async
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import DEAD_PREFIX, DONE_PREFIX
from hookline.operations import now_ms
from hookline.retention import DAY_MS, kept
from hookline.settings import Redis as RedisSettings
from hookline.settings import Settings
from hookline.store import Change, Store
from hookline_worker import purger
from hookline_worker.purger import Purger

if TYPE_CHECKING:
    from redis import Redis

SOURCES = {"a": {"provider": "esa", "unverified": True}, "b": {"provider": "esa", "unverified": True}}


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


async def finished(store: Store, url: str, source: str, state: str, ages_days: list[float]) -> list[str]:
    """Events of this source that finished so in this order; their ids."""
    events = [
        RawEvent(
            new_event_id(now_ms() + n), source, "esa", now_ms() + n, new_event_id(n), 60_000, b"[]", b"{}"
        )
        for n in range(len(ages_days))
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    store.take("me", 10_000, ids, execution="job:me")
    store.record("me", [Change(event_id, {}, state, "esa.post_create") for event_id in ids])
    key = {"done": DONE_PREFIX, "dead": DEAD_PREFIX}[state] + source
    for event_id, age in zip(ids, ages_days, strict=True):
        store.redis.zadd(key, {event_id: now_ms() - age * DAY_MS})
    return ids


def settings(**retention: object) -> Settings:
    """With these in [retention], and two sources."""
    return Settings.model_validate({"sources": SOURCES, "retention": retention})


async def test_what_is_older_than_its_state_is_kept_is_purged(store: Store, redis_url: str) -> None:
    """Dead letters are kept longer."""
    done = await finished(store, redis_url, "a", "done", [8, 6])
    dead = await finished(store, redis_url, "a", "dead", [31, 8])
    Purger(store, settings()).work()
    assert store.event_ids() == sorted([done[1], dead[1]])


async def test_of_each_source_only_the_latest_so_many_are_kept(store: Store, redis_url: str) -> None:
    """By number as well as by age, and each source by itself."""
    first = await finished(store, redis_url, "a", "done", [3, 2, 1])
    second = await finished(store, redis_url, "b", "done", [3, 2])
    Purger(store, settings(max_done=2)).work()
    assert store.event_ids() == sorted([*first[1:], *second])


async def test_more_than_one_look_takes_are_purged_in_one_go(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as there is time."""
    monkeypatch.setattr(purger, "AT_ONCE", 3)
    monkeypatch.setattr(purger, "TURN_SECONDS", 60.0)
    await finished(store, redis_url, "a", "done", [9.0] * 10)
    Purger(store, settings()).work()
    assert store.event_ids() == []
    assert store.sources() == []


async def test_an_unfinished_event_is_never_purged(store: Store, redis_url: str) -> None:
    """A replay takes it out of what can be purged."""
    (old,) = await finished(store, redis_url, "a", "dead", [31])
    store.replay([old])
    Purger(store, settings(max_dead=0)).work()
    assert store.event_ids() == [old]


def test_a_source_may_say_otherwise() -> None:
    """For each number by itself; one that is not configured is kept as others are."""
    chosen = Settings.model_validate(
        {
            "sources": {"a": SOURCES["a"] | {"done_days": 1, "max_dead": 0}},
            "retention": {"max_dead": 50, "max_done": 9},
        }
    )
    assert kept(chosen, "a", "done") == (DAY_MS, 9)
    assert kept(chosen, "a", "dead") == (30 * DAY_MS, 0)
    assert kept(chosen, "gone", "dead") == (30 * DAY_MS, 50)


async def test_purging_costs_the_same_at_any_size(store: Store, redis_url: str) -> None:
    """So many commands an event, with a hundred stored or with a thousand."""
    costs = []
    for stored in (100, 900):
        for _ in range(stored // 50):
            await finished(store, redis_url, "a", "done", [1.0] * 50)
        old = await finished(store, redis_url, "a", "done", [9.0] * 20)
        store.redis.config_resetstat()
        Purger(store, settings()).work()
        assert not set(old) & set(store.event_ids())
        stats: dict[str, dict[str, int]] = store.redis.info("commandstats")  # type: ignore[assignment]
        costs.append(sum(each["calls"] for each in stats.values()))
    assert abs(costs[1] - costs[0]) <= 5


async def test_no_source_has_to_wait_until_the_others_are_through(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there is no time for more than one of them at each look."""
    monkeypatch.setattr(purger, "AT_ONCE", 1)
    monkeypatch.setattr(purger, "TURN_SECONDS", 0.0)
    first = await finished(store, redis_url, "a", "done", [9.0] * 3)
    second = await finished(store, redis_url, "b", "done", [9.0] * 2)
    chore = Purger(store, settings())
    for _ in range(4):
        chore.work()
    assert store.event_ids() == [first[2]]
    assert not set(second) & set(store.event_ids())


async def test_what_is_purged_is_told_once_a_minute(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where events come all the time, some are due at every look."""
    chore = Purger(store, settings())
    told = []
    for number, seconds in ((2, 60.0), (1, 60.0), (3, 0.0), (0, 0.0)):
        monkeypatch.setattr(purger, "TELL_SECONDS", seconds)
        await finished(store, redis_url, "a", "done", [8.0] * number)
        with capture_logs() as logs:
            chore.work()
        told.append([line["events"] for line in logs])
    assert told == [[2], [], [4], []]
