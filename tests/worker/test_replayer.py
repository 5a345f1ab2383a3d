"""Bulk replays are fed little by little: each event once, by rate, and live events have their turns."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hookline import queue
from hookline.connections import connect_async
from hookline.index import Filter
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import EVENT_PREFIX, OPEN_KEY, REPLAY_PREFIX, REPLAYS_KEY
from hookline.lanes import REPLAY_LANE
from hookline.ledger import Attempt, Run
from hookline.operations import named, now_ms
from hookline.replays import Bulk, ask, bulk, cancel_bulk, pause_bulk, resume_bulk
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store
from hookline_worker import replayer as replayer_module
from hookline_worker.reconciler import _events_of
from hookline_worker.replayer import JOBS_A_TURN, JOBS_A_WORKER, MADE_UP_FOR_MS, Replayer

if TYPE_CHECKING:
    from redis import Redis

Stored = Callable[..., list[str]]
GROUP = queue.GROUP_EVENTS
MOST_WAITING = 1_000_000
KEYS = queue.QueueKeys("hookline")


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is fed in a turn is for the numbers to say here, and not for the clock."""
    monkeypatch.setattr(replayer_module, "TURN_SECONDS", 60.0)


@pytest.fixture
def finished(store: Store, redis_url: str) -> Stored:
    """Store so many events that are done, with a run of `p.x`, and leave no job of theirs."""

    def finished(count: int) -> list[str]:
        began_at_ms = now_ms() - 60_000
        ids: list[str] = []
        while len(ids) < count:
            size = min(GROUP, count - len(ids))
            ids += asyncio.run(committed(redis_url, "misskey", size, began_at_ms + len(ids)))
        finish(store, ids)
        return ids

    return finished


async def committed(url: str, source: str, count: int, at_ms: int) -> list[str]:
    """The ids of so many events of this source, committed as one group."""
    events = [
        RawEvent(new_event_id(at), source, "misskey", at, new_event_id(at), 60_000, b"[]", b"{}")
        for at in range(at_ms, at_ms + count)
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    return ids


def finish(store: Store, ids: list[str]) -> None:
    """Be the worker that runs them all to their end, and forget every job."""
    run = Run("p.x", "done", [Attempt(1, 1)]).to_json()
    for start in range(0, len(ids), GROUP):
        group = ids[start : start + GROUP]
        store.take("a", 10_000, group, execution="job:a")
        store.record("a", [Change(event_id, {"run:p.x": run}, "done") for event_id in group])
    while popped := store.next():
        forget(store, popped.job_id.decode())


def forget(store: Store, job_id: str) -> None:
    """Remove a job that is done."""
    store.redis.delete(queue.JOB_PREFIX + job_id)
    store.redis.srem("hookline:jobs", job_id)
    store.redis.lrem(KEYS.intermediate, 1, job_id)


def drain(store: Store) -> list[str]:
    """Run every job that waits; gives the events that they name, in their order."""
    ids: list[str] = []
    while popped := store.next():
        group = _events_of(popped.data or b"")
        assert 0 < len(group) <= GROUP
        assert popped.lane == REPLAY_LANE
        ids += group
        forget(store, popped.job_id.decode())
        store.take("a", 10_000, group, execution="job:a")
        store.record("a", [Change(event_id, {}, "done") for event_id in group])
    return ids


def now(store: Store, asked: Bulk) -> Bulk:
    """How far it is."""
    found = bulk(store, asked.id)
    assert found
    return found


def test_every_event_is_put_back_once_the_oldest_first(store: Store, finished: Stored) -> None:
    """With its old runs kept, and the bulk replay is over when its list is empty."""
    ids = finished(2 * GROUP + 5)
    asked = ask(store, Filter())
    Replayer(store, "hookline", MOST_WAITING).work()
    assert drain(store) == ids
    found = now(store, asked)
    assert (found.state, found.total, found.done, found.skipped, found.left) == (
        "done",
        len(ids),
        len(ids),
        0,
        0,
    )
    assert found.ended_at_ms
    fields = store.fields(ids[0])
    assert (fields["replays"], fields["replay"]) == (b"1", asked.id.encode())
    assert "past:1:p.x" in fields
    assert 0 < store.redis.ttl(REPLAY_PREFIX + asked.id) <= 7 * 24 * 3600
    assert not store.redis.exists(f"{REPLAY_PREFIX}{asked.id}:ids")


def test_its_jobs_are_as_any_others(store: Store, finished: Stored) -> None:
    """The script makes them, not `queue.job`, and RQ must not see a difference."""
    (event_id,) = finished(1)
    ask(store, Filter())
    Replayer(store, "hookline", MOST_WAITING).work()
    popped = store.next()
    assert popped
    fields = named(store.redis.hgetall(queue.JOB_PREFIX + popped.job_id.decode()))
    like = queue.job([event_id], lane=REPLAY_LANE)
    assert fields["data"] == like.data
    assert fields["description"] == like.description.encode()
    assert fields["lane"] == like.lane.encode()


def test_only_what_the_workers_soon_do_is_put_back(store: Store, finished: Stored) -> None:
    """The others are still finished, and follow when there is room again."""
    ids = finished((JOBS_A_WORKER + 2) * GROUP)
    asked, replayer = ask(store, Filter()), Replayer(store, "hookline", MOST_WAITING)
    for _ in range(3):
        replayer.work()
    assert store.waiting_jobs() == JOBS_A_WORKER
    assert store.redis.scard(OPEN_KEY) == JOBS_A_WORKER * GROUP
    popped = store.next()
    assert popped
    replayer.work()
    assert store.waiting_jobs() == JOBS_A_WORKER
    rest = drain(store)
    replayer.work()
    assert sorted(_events_of(popped.data or b"") + rest + drain(store)) == ids
    assert now(store, asked).state == "done"


def test_an_event_that_is_gone_or_runs_already_is_skipped(store: Store, finished: Stored) -> None:
    """And counted, so that the numbers add up."""
    ids = finished(4)
    asked = ask(store, Filter())
    store.redis.delete(EVENT_PREFIX + ids[0])
    store.replay([ids[1]])
    Replayer(store, "hookline", MOST_WAITING).work()
    drain(store)
    found = now(store, asked)
    assert (found.state, found.done, found.skipped) == ("done", 2, 2)
    assert store.fields(ids[1])["replays"] == b"1"


def test_one_action_alone_keeps_the_others_results(store: Store, finished: Stored) -> None:
    """As in a replay of one event."""
    (event_id,) = finished(1)
    ask(store, Filter(), action="p.other")
    Replayer(store, "hookline", MOST_WAITING).work()
    fields = store.fields(event_id)
    assert fields["only"] == b"p.other"
    assert "run:p.x" in fields


def test_a_paused_one_rests_and_goes_on_where_it_was(store: Store, finished: Stored) -> None:
    """What it had put back runs on; nothing is done twice."""
    ids = finished(3 * GROUP)
    asked, replayer = ask(store, Filter()), Replayer(store, "hookline", MOST_WAITING)
    assert replayer.feed(asked.id, 1) == [GROUP]
    pause_bulk(store, asked.id)
    replayer.work()
    assert now(store, asked).done == GROUP
    resume_bulk(store, asked.id)
    replayer.work()
    assert drain(store) == ids
    assert now(store, asked).state == "done"


def test_a_cancelled_one_puts_nothing_back_any_more(store: Store, finished: Stored) -> None:
    """What is left stays as it is, finished."""
    finished(2 * GROUP)
    asked, replayer = ask(store, Filter()), Replayer(store, "hookline", MOST_WAITING)
    replayer.feed(asked.id, 1)
    cancel_bulk(store, asked.id)
    replayer.work()
    found = now(store, asked)
    assert (found.state, found.done, found.left) == ("cancelled", GROUP, GROUP)
    assert store.redis.scard(OPEN_KEY) == GROUP


def test_a_rate_is_kept_to(store: Store, finished: Stored) -> None:
    """As many as the time since the last look allows; the clock is Redis's, told here how long it was."""
    finished(GROUP)
    asked, replayer = ask(store, Filter(), per_second=10), Replayer(store, "hookline", MOST_WAITING)
    assert replayer.feed(asked.id, 1) == []

    def after(ms: int) -> int:
        key = REPLAY_PREFIX + asked.id
        store.redis.hset(key, "fed_at", float(store.redis.hget(key, "fed_at") or 0) - ms)
        return sum(replayer.feed(asked.id, 2))

    # the test itself takes time: a second more would be ten events
    assert 5 <= after(500) < 15
    assert after(0) < 10
    assert after(60_000) <= 10 * MADE_UP_FOR_MS / 1000 + 1


def test_a_slow_rate_comes_to_something(store: Store, finished: Stored) -> None:
    """One event in a hundred seconds is more than is made up for, and less than one a look."""
    finished(2)
    asked, replayer = ask(store, Filter(), per_second=0.01), Replayer(store, "hookline", MOST_WAITING)
    assert replayer.feed(asked.id, 1) == []
    store.redis.hset(REPLAY_PREFIX + asked.id, "fed_at", now_ms() - 100_001)
    assert replayer.feed(asked.id, 2) == [1]
    assert replayer.feed(asked.id, 1) == []


def test_two_take_turns(store: Store, finished: Stored) -> None:
    """The second doesn't wait until the first one is over."""
    ids = finished((JOBS_A_WORKER + 2) * GROUP)
    first, second = ask(store, ids[GROUP:]), ask(store, ids[:GROUP])
    Replayer(store, "hookline", MOST_WAITING).work()
    assert now(store, second).state == "done"
    assert now(store, first).done == (JOBS_A_WORKER - 1) * GROUP


def test_two_workers_that_feed_the_same_one_put_nothing_back_twice(
    store: Store, finished: Stored, redis_url: str
) -> None:
    """As when one is cut off for longer than its lease, and comes back in the middle."""
    ids = finished(20 * GROUP)
    asked = ask(store, Filter())

    def feed() -> None:
        replayer = Replayer(store, "hookline", MOST_WAITING)
        while replayer.feed(asked.id, 2):
            pass

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(drain(store)) == Counter(ids)
    assert {store.redis.hget(EVENT_PREFIX + each, "replays") for each in ids} == {b"1"}
    assert now(store, asked).done == len(ids)


def test_an_event_that_is_on_the_list_twice_is_replayed_once(store: Store, finished: Stored) -> None:
    """It may have moved in the index while it was looked for; even when it has run in between."""
    ids = finished(2)
    asked = ask(store, Filter())
    store.redis.rpush(f"{REPLAY_PREFIX}{asked.id}:ids", *[ids[0]] * GROUP)
    replayer = Replayer(store, "hookline", MOST_WAITING)
    replayer.feed(asked.id, 1)
    drain(store)
    replayer.feed(asked.id, 1)
    found = now(store, asked)
    assert (found.state, found.done, found.skipped) == ("done", 2, GROUP)
    assert store.fields(ids[0])["replays"] == b"1"


def test_live_events_have_their_turn_beside_a_bulk_replay(
    store: Store, finished: Stored, redis_url: str
) -> None:
    """At most one job of replays is before each, however many wait, and the replay has its turns, too."""
    finished(4 * JOBS_A_WORKER * GROUP // 2)
    ask(store, Filter())
    replayer = Replayer(store, "hookline", MOST_WAITING)
    lanes = []
    for turn in range(24):
        replayer.work()
        if turn % 3 == 0:
            asyncio.run(committed(redis_url, "team", 1, now_ms() + turn))
        popped = store.next()
        assert popped
        lanes.append(popped.lane)
        forget(store, popped.job_id.decode())
    live = [number for number, lane in enumerate(lanes) if lane != REPLAY_LANE]
    assert len(live) == 8
    assert [number % 3 <= 1 for number in live] == [True] * 8
    assert store.waiting_jobs() <= JOBS_A_WORKER


def test_a_look_ends_when_its_time_is_over(
    store: Store, finished: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker has its own work to do: what is left is for the next look."""
    monkeypatch.setattr(replayer_module, "TURN_SECONDS", 0.0)
    finished((JOBS_A_TURN + 2) * GROUP)
    asked = ask(store, Filter())
    Replayer(store, "hookline", MOST_WAITING).work()
    assert now(store, asked).done == JOBS_A_TURN * GROUP


def test_what_has_expired_is_struck_off(store: Store, finished: Stored) -> None:
    """So that the list of bulk replays doesn't grow for ever."""
    finished(1)
    gone, asked = ask(store, Filter()), ask(store, Filter())
    store.redis.delete(REPLAY_PREFIX + gone.id)
    Replayer(store, "hookline", MOST_WAITING).work()
    assert store.redis.zrange(REPLAYS_KEY, 0, -1) == [asked.id.encode()]


def test_what_fails_again_does_not_pile_up_until_deliveries_are_refused(
    store: Store, finished: Stored
) -> None:
    """The events wait for their retry, or are paused: no job of theirs waits, and yet they are unfinished."""
    finished(4 * GROUP)
    asked, replayer = ask(store, Filter()), Replayer(store, "hookline", max_waiting_events=4 * GROUP)
    assert replayer.feed(asked.id, 2) == [GROUP, GROUP]
    while popped := store.next():
        group = _events_of(popped.data or b"")
        forget(store, popped.job_id.decode())
        store.take("a", 10_000, group, execution="job:a")
        store.record("a", [Change(event_id, {}, "retrying") for event_id in group])
    replayer.work()
    assert now(store, asked).done == 2 * GROUP
    store.take("a", 10_000, group, execution="job:a")
    store.record("a", [Change(event_id, {}, "done") for event_id in group])
    replayer.work()
    assert now(store, asked).done == 4 * GROUP
