"""What got lost is found by the next looks; what is only on its way is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hookline import queue
from hookline.connections import connect_async
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import EVENT_PREFIX, JOBS_KEY, LEASE_PREFIX, OPEN_KEY, RECONCILER_KEY
from hookline.operations import now_ms, text
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store
from hookline_worker import reconciler
from hookline_worker.chores import Chores
from hookline_worker.reconciler import Reconciler

if TYPE_CHECKING:
    from redis import Redis

KEYS = queue.QueueKeys("hookline")


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


@pytest.fixture
def look(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Look twice, as is done within some seconds."""
    monkeypatch.setattr(reconciler, "PERIOD_SECONDS", 0.0)
    monkeypatch.setattr(reconciler, "REST", 0)
    each = Reconciler(store, "hookline")

    def look() -> None:
        for _ in range(4):
            each.work()

    return look


async def stored(url: str, count: int) -> list[str]:
    """The ids of so many events, committed as one group."""
    events = [
        RawEvent(
            new_event_id(now_ms() + n),
            "misskey",
            "misskey",
            now_ms() + n,
            new_event_id(n),
            60_000,
            b"[]",
            b"{}",
        )
        for n in range(count)
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    return ids


def waiting_events(store: Store) -> list[str]:
    """The events that the waiting jobs name."""
    found = []
    while popped := store.next():
        found += reconciler._events_of(popped.data or b"")
    return sorted(found)


async def test_events_whose_jobs_somebody_deleted_are_enqueued(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """With all of RQ's keys gone, everything unfinished is found, once."""
    events = await stored(redis_url, 100)
    store.redis.delete(*store.redis.keys("rq:*"))
    look()
    assert waiting_events(store) == sorted(events)
    assert text(store.redis.smembers(JOBS_KEY))


async def test_events_on_their_way_are_left_alone(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """Waiting in the queue or a lane, popped, started, scheduled: a job names them, wherever that is."""
    for move in ("queue", "lane", "popped", "started", "scheduled"):
        await stored(redis_url, 2)
        job_id = store.redis.lrange(KEYS.queue, -1, -1)[0].decode()
        if move == "lane":
            store.redis.lmove(KEYS.queue, KEYS.lane("misskey"), "RIGHT")
            store.redis.zadd("hookline:lanes", {"misskey": 1})
        elif move == "popped":
            store.redis.lmove(KEYS.queue, KEYS.intermediate, "RIGHT")
        elif move == "started":
            store.redis.lrem(KEYS.queue, 1, job_id)
            store.redis.zadd(KEYS.started, {f"{job_id}:execution": 1})
        elif move == "scheduled":
            store.redis.lrem(KEYS.queue, 1, job_id)
            store.redis.zadd(KEYS.scheduled, {job_id: 1})
    jobs = store.redis.keys("rq:job:*")
    look()
    assert sorted(store.redis.keys("rq:job:*")) == sorted(jobs)


async def test_an_event_that_is_being_run_is_left_alone(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """Its lease holds, whatever became of the job."""
    (running, abandoned) = await stored(redis_url, 2)
    store.take("a", 10_000, [running], execution="job:a")
    store.take("b", 10_000, [abandoned], execution="job:b")
    store.redis.delete(LEASE_PREFIX + "b", KEYS.queue, KEYS.started)
    look()
    assert abandoned in waiting_events(store)
    assert store.fields(running)["lease"] == b"a"


async def test_a_job_that_is_in_no_list_is_enqueued(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """And one that is only a note of an old one is forgotten."""
    events = await stored(redis_url, 1)
    store.redis.delete(KEYS.queue)
    store.redis.sadd(JOBS_KEY, "long-gone")
    look()
    assert set(waiting_events(store)) == set(events)
    assert not store.redis.sismember(JOBS_KEY, "long-gone")


async def test_what_is_missing_only_once_is_not_enqueued(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """A job is in no list for a moment when it moves from one to the next."""
    await stored(redis_url, 1)
    each = Reconciler(store, "hookline")
    job_id = store.redis.lpop(KEYS.queue)
    each.work()
    each.work()
    assert store.waiting_jobs() == 0
    store.redis.rpush(KEYS.queue, job_id)
    look()
    assert store.waiting_jobs() == 1


async def test_finished_events_are_not_looked_at(store: Store, redis_url: str) -> None:
    """So that a million stored ones cost nothing."""
    events = await stored(redis_url, 3)
    store.take("a", 10_000, events, execution="job:a")
    assert store.redis.scard(OPEN_KEY) == 3
    store.record("a", [Change(events[0], {}, "done"), Change(events[1], {}, "dead")])
    assert text(store.redis.smembers(OPEN_KEY)) == [events[2]]
    assert store.redis.hget("hookline:counters", "open:misskey") == b"1"
    store.replay([events[0]])
    assert set(text(store.redis.smembers(OPEN_KEY))) == {events[0], events[2]}
    assert store.redis.hget("hookline:counters", "open:misskey") == b"2"


def test_one_worker_does_the_chores_and_another_takes_over(store: Store) -> None:
    """When the first has been silent for longer than its lease."""
    reconciler = Reconciler(store, "hookline")
    first, second = (Chores(store.redis, name, reconciler) for name in ("first", "second"))
    first.work()
    second.work()
    assert store.redis.get(RECONCILER_KEY) == b"first"
    store.redis.delete(RECONCILER_KEY)
    second.work()
    assert store.redis.get(RECONCILER_KEY) == b"second"


async def test_what_is_finished_or_gone_is_struck_off(
    store: Store, redis_url: str, look: Callable[[], None]
) -> None:
    """An older worker leaves it there, and a person deletes events: it would count for ever."""
    done, gone, lost = await stored(redis_url, 3)
    store.redis.hset(EVENT_PREFIX + done, "state", "done")
    store.redis.delete(EVENT_PREFIX + gone, *store.redis.keys("rq:*"))
    look()
    assert text(store.redis.smembers(OPEN_KEY)) == [lost]
    assert waiting_events(store) == sorted([done, gone, lost])  # the job names the others, too
    assert (
        store.redis.hget("hookline:counters", "open:misskey") == b"2"
    )  # whose the gone one was nobody knows
