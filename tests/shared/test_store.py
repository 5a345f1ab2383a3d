"""The atomic steps: leases that fence, records that settle, jobs of the dead that come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from hookline.connections import connect_async
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import (
    COUNTERS_KEY,
    DEAD_PREFIX,
    DONE_PREFIX,
    EVENT_PREFIX,
    FAILURES_KEY,
    GRACE_KEY,
    INDEX_KEY,
    LEASE_PREFIX,
    STUCK_KEY,
    TICK_KEY,
)
from hookline.operations import now_ms, text
from hookline.queue import QueueKeys, job
from hookline.settings import Redis as RedisSettings
from hookline.store import OUTAGE_MS, STUCK_MS, TICK_MS, Change, Paused, Store

if TYPE_CHECKING:
    from redis import Redis

KEYS = QueueKeys("hookline")


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


async def stored(url: str, count: int) -> list[str]:
    """The ids of so many events, committed as one group."""
    events = [
        RawEvent(
            new_event_id(now_ms() + n), "misskey", "misskey", now_ms() + n, f"key-{n}", 60_000, b"[]", b"{}"
        )
        for n in range(count)
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    return ids


def take(store: Store, token: str, ids: list[str]) -> tuple[int, list[Any]]:
    """Lease these for 10 s."""
    taken = store.take(token, 10_000, ids, execution=f"job:{token}")
    return taken.now_ms, taken.events


def tick(store: Store) -> tuple[int, int]:
    """A tick, whenever the last one was."""
    last = store.redis.get(TICK_KEY)
    if last:
        store.redis.set(TICK_KEY, int(last) - TICK_MS)
    done = store.tick()
    assert done is not None
    return done


async def test_an_event_is_leased_to_one_owner_at_a_time(store: Store, redis_url: str) -> None:
    """A second owner is told that it is held; the first may take it again."""
    (event_id,) = await stored(redis_url, 1)

    _, (first,) = take(store, "a", [event_id])
    _, (second,) = take(store, "b", [event_id])
    _, (again,) = take(store, "a", [event_id])

    assert isinstance(first, dict)
    assert first["body"] == b"{}"
    assert isinstance(second, int)
    assert 0 < second <= 10_000
    assert isinstance(again, dict)
    assert "deaths" not in again


async def test_a_lease_that_ran_out_passes_on_and_the_death_is_counted(store: Store, redis_url: str) -> None:
    """The next owner is told that somebody died with it; the old one can no longer write."""
    (event_id,) = await stored(redis_url, 1)
    take(store, "a", [event_id])
    store.redis.delete(LEASE_PREFIX + "a")  # as it goes when nobody keeps it alive

    _, (fields,) = take(store, "b", [event_id])
    lost = store.record("a", [Change(event_id, {"run:x": "{}"}, "done")])

    assert isinstance(fields, dict)
    assert fields["deaths"] == b"1"
    assert lost == [event_id]
    assert "run:x" not in store.fields(event_id)
    assert store.fields(event_id)["state"] == b"running"


async def test_a_finished_event_is_released_indexed_and_not_taken_again(store: Store, redis_url: str) -> None:
    """Those that are done and dead letters have each an index of their own, by when they finished."""
    done, dead = await stored(redis_url, 2)
    take(store, "a", [done, dead])

    store.record("a", [Change(done, {"run:x": "1"}, "done"), Change(dead, {"run:x": "2"}, "dead")])

    assert take(store, "b", [done, dead, "no-such-event"])[1] == [None, None, None]
    for key, event_id in ((DONE_PREFIX, done), (DEAD_PREFIX, dead)):
        finished_at = int(store.fields(event_id)["finished_at"])
        found = store.redis.zrange(key + "misskey", 0, -1, withscores=True)
        assert found == [(event_id.encode(), float(finished_at))]
    assert "lease" not in store.fields(done)
    assert store.redis.hgetall("hookline:counters")[b"done:misskey"] == b"1"


async def test_a_due_retry_is_enqueued_once(store: Store, redis_url: str) -> None:
    """Two workers that tick in the same second do the work once."""
    (event_id,) = await stored(redis_url, 1)
    store.redis.delete(KEYS.queue)
    take(store, "a", [event_id])
    now = int(time.time())
    retries = [job([event_id], due_seconds=now - 1), job([event_id], due_seconds=now + 60)]
    store.record("a", [Change(event_id, state="retrying")], retries)

    done = tick(store)
    second = store.tick()

    assert (done, second) == ((1, 0), None)
    assert text(store.redis.lrange(KEYS.queue, 0, -1)) == [retries[0].id]
    assert store.redis.hget(f"rq:job:{retries[0].id}", "status") == b"queued"


async def test_a_job_whose_worker_died_is_enqueued_again(store: Store, redis_url: str) -> None:
    """Under another id: its owner may only have been out of touch, and removes what it knows when it ends."""
    await stored(redis_url, 1)
    redis = store.redis
    job_id = text(redis.lrange(KEYS.queue, 0, -1))[0]
    redis.lmove(KEYS.queue, KEYS.intermediate)
    redis.zadd(KEYS.started, {f"{job_id}:execution": time.time() - 1})

    assert tick(store) == (0, 1)
    assert text(redis.lrange(KEYS.queue, 0, -1)) == ["execution"]
    assert redis.exists("rq:job:execution") == 1
    assert redis.exists(f"rq:job:{job_id}") == 0
    assert redis.exists(KEYS.intermediate, KEYS.started) == 0


async def test_a_job_whose_worker_lives_is_left_alone(store: Store, redis_url: str) -> None:
    """However long it takes."""
    await stored(redis_url, 1)
    redis = store.redis
    job_id = text(redis.lrange(KEYS.queue, 0, -1))[0]
    redis.lmove(KEYS.queue, KEYS.intermediate)
    redis.zadd(KEYS.started, {f"{job_id}:execution": time.time() + 5})

    assert (tick(store), tick(store)) == ((0, 0), (0, 0))
    assert redis.exists(STUCK_KEY) == 0


async def test_a_job_stuck_between_pop_and_start_is_enqueued_again(store: Store, redis_url: str) -> None:
    """Seen twice with some seconds between, since every job is there for a moment."""
    await stored(redis_url, 1)
    redis = store.redis
    job_id = text(redis.lrange(KEYS.queue, 0, -1))[0]
    redis.lmove(KEYS.queue, KEYS.intermediate)

    first = tick(store)
    redis.hset(STUCK_KEY, job_id, now_ms() - STUCK_MS)  # as it is some seconds later
    second = tick(store)

    assert (first, second) == ((0, 0), (0, 1))
    assert text(redis.lrange(KEYS.queue, 0, -1)) == [job_id]
    assert redis.exists(KEYS.intermediate, STUCK_KEY) == 0


async def test_finished_events_are_purged(store: Store, redis_url: str) -> None:
    """From every index; unfinished ones stay."""
    dead, done, unfinished = await stored(redis_url, 3)
    take(store, "a", [dead, done, unfinished])
    failed = Change(dead, {"failures": "f1 f2"}, "dead", failures={"f1": "{}", "f2": "{}"})
    store.record("a", [failed, Change(done, {}, "done", "misskey.note")])

    assert store.purge([dead, done, unfinished, "no-such-event"]) == [dead, done]
    assert store.event_ids() == [unfinished]
    assert set(store.redis.scan_iter("hookline:[defi]*")) == {
        f"hookline:event:{unfinished}".encode(),
        b"hookline:events:misskey/",
        b"hookline:index",
        *store.redis.scan_iter("hookline:dedupe:*"),
    }
    assert store.redis.smembers(INDEX_KEY) == {b"misskey/"}
    assert store.redis.hget(COUNTERS_KEY, "purged:misskey") == b"2"


async def test_an_id_of_which_nothing_is_stored_is_forgotten(store: Store, redis_url: str) -> None:
    """Somebody deleted the event by hand: it would be looked at again and again."""
    (gone,) = await stored(redis_url, 1)
    take(store, "a", [gone])
    store.record("a", [Change(gone, {}, "done")])
    store.redis.delete(EVENT_PREFIX + gone)

    assert store.purge([gone], source="misskey") == []
    assert store.redis.exists(DONE_PREFIX + "misskey") == 0


async def test_a_dead_owners_events_are_enqueued_each_alone(store: Store, redis_url: str) -> None:
    """Those that it finished, and those that another has by now, are not."""
    mine, done, others = await stored(redis_url, 3)
    store.redis.delete(KEYS.queue)
    take(store, "a", [mine, done])
    take(store, "b", [others])
    store.record("a", [Change(done, {}, "done")])

    released = store.release("a", [mine, done, others], death="signal 6")

    assert released == [mine]
    assert store.waiting_jobs() == 1
    fields = store.fields(mine)
    assert (fields["state"], fields["deaths"], fields["death"]) == (b"queued", b"1", b"signal 6")
    assert "lease" not in fields


async def test_a_replay_moves_the_old_runs_aside(store: Store, redis_url: str) -> None:
    """All of them or one action's; unfinished events are left alone."""
    done, dead, unfinished = await stored(redis_url, 3)
    store.redis.delete(KEYS.queue)
    take(store, "a", [done, dead])
    runs = {"run:p.x": '{"state":"done","attempts":[]}', "run:p.y": '{"state":"dead","attempts":[]}'}
    store.record(
        "a",
        [
            Change(done, runs, "done"),
            Change(dead, runs | {"failures": "f"}, "dead", failures={"f": "{}"}),
        ],
    )

    assert store.replay([done, unfinished]) == [done]
    assert store.replay([dead], "p.y") == [dead]

    fields = store.fields(done)
    assert {name for name in fields if ":" in name} == {"past:1:p.x", "past:1:p.y"}
    assert (fields["state"], fields["replays"]) == (b"queued", b"1")
    fields = store.fields(dead)
    assert {name for name in fields if ":" in name} == {"run:p.x", "past:1:p.y"}
    assert fields["only"] == b"p.y"
    assert list(store.redis.scan_iter("hookline:[df][oae][nai][edl]*:*")) == []
    assert store.redis.exists(FAILURES_KEY) == 0
    assert store.waiting_jobs() == 2


async def test_after_an_outage_nobody_counts_as_dead_at_once(store: Store, redis_url: str) -> None:
    """While Redis was away no owner could say that it lives; for some seconds it is waited for."""
    (event_id,) = await stored(redis_url, 1)
    job_id = text(store.redis.lrange(KEYS.queue, 0, -1))[0]
    store.redis.lmove(KEYS.queue, KEYS.intermediate)
    store.redis.zadd(KEYS.started, {f"{job_id}:a": time.time() - 1})
    take(store, "a", [event_id])
    store.redis.delete(LEASE_PREFIX + "a")
    store.redis.zadd(KEYS.started, {f"{job_id}:a": time.time() - 1})
    store.redis.set(TICK_KEY, now_ms() - OUTAGE_MS - 1)

    in_grace = tick(store)
    _, (answer,) = take(store, "b", [event_id])
    store.redis.delete(GRACE_KEY)  # as it goes after some seconds
    afterwards = tick(store)
    _, (fields,) = take(store, "b", [event_id])

    assert (in_grace, afterwards) == ((0, 0), (0, 1))
    assert isinstance(answer, int)
    assert 0 < answer <= 5_000
    assert isinstance(fields, dict)


async def test_the_start_of_a_job_counts_by_redis_s_clock(store: Store, redis_url: str) -> None:
    """RQ writes it by the worker's clock, which may be an hour off."""
    (event_id,) = await stored(redis_url, 1)
    store.redis.zadd(KEYS.started, {"job:a": time.time() + 3_600})

    take(store, "a", [event_id])

    assert abs(store.redis.zscore(KEYS.started, "job:a") - time.time() - 10) < 2


async def test_what_a_dead_owner_had_not_taken_is_enqueued_too(store: Store, redis_url: str) -> None:
    """The job that ends may have been the only one: also for an event that waits for its retry."""
    queued, retrying, others = await stored(redis_url, 3)
    take(store, "b", [retrying, others])
    store.record("b", [Change(retrying, {}, "retrying")])

    assert store.release("a", [queued, retrying, others], in_seconds=5) == [queued, retrying]
    assert store.redis.zcard(KEYS.scheduled) == 2


def test_a_clock_that_is_set_back_stops_no_tick(store: Store) -> None:
    """Due retries and the jobs of dead workers would wait until it is where it was."""
    store.redis.set(TICK_KEY, now_ms() + 3_600_000)
    assert store.tick() == (0, 0)
    assert store.tick() is None
    assert store.redis.exists(GRACE_KEY) == 0


def test_workers_that_died_without_signing_off_are_forgotten(store: Store) -> None:
    """RQ would list them for ever."""
    store.redis.hset("rq:worker:alive", "birth", "now")
    for key in ("rq:workers", KEYS.workers):
        store.redis.sadd(key, "rq:worker:alive", "rq:worker:dead")
    tick(store)
    assert store.redis.smembers("rq:workers") == store.redis.smembers(KEYS.workers) == {b"rq:worker:alive"}


async def test_what_a_process_died_with_waits_too_while_its_source_is_paused(
    store: Store, redis_url: str
) -> None:
    """However its job comes to a worker; the death is counted when the event is taken again."""
    ids = await stored(redis_url, 1)
    take(store, "a", ids)
    store.redis.delete(LEASE_PREFIX + "a")
    store.pause("misskey")
    assert take(store, "b", ids)[1] == [Paused("misskey")]
    store.resume("misskey")
    (fields,) = take(store, "c", ids)[1]
    assert fields["deaths"] == b"1"
    assert take(store, "c", ids)[1] != [Paused("misskey")]


async def test_an_event_is_found_by_the_type_that_it_was_read_as_last(store: Store, redis_url: str) -> None:
    """Whatever another version of the provider called it before, and wherever that left it."""
    ids = await stored(redis_url, 2)
    store.redis.hset(EVENT_PREFIX + ids[1], "type", "misskey.note")  # as version 0.1 did, and no more
    for kind in ("misskey.new", "misskey.note"):
        take(store, "a", ids)
        store.record("a", [Change(event_id, {}, "queued", kind) for event_id in ids])
        assert store.redis.smembers(INDEX_KEY) == {f"misskey/{kind}".encode()}
        assert store.event_ids() == ids
