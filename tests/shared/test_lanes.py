"""Every source has its turn: what waits of one delays another by a job, not by all that is before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from hookline import queue
from hookline.connections import connect_async
from hookline.intake import BEHIND_JOBS, CommitScript, RawEvent, new_event_id
from hookline.keys import LANES_KEY
from hookline.lanes import MIXED_LANE
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import SORT_MOST, Store

if TYPE_CHECKING:
    from redis import Redis

KEYS = queue.QueueKeys("hookline")


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


def wait_in(store: Store, lane: str, count: int, name: str = "") -> list[str]:
    """Have so many jobs of this lane wait, at the end of the queue; gives their ids."""
    ids = [f"{name or lane}-{n}" for n in range(count)]
    with store.redis.pipeline() as pipeline:
        for job_id in ids:
            pipeline.hset(queue.JOB_PREFIX + job_id, mapping={"data": b"{}", "lane": lane})
            pipeline.rpush(KEYS.queue, job_id)
        pipeline.execute()
    return ids


def popped(store: Store, count: int, left_alone: Iterable[str] = ()) -> list[str]:
    """The ids of the next so many jobs."""
    found = [store.next(list(left_alone)) for _ in range(count)]
    return [job.job_id.decode() for job in found if job]


async def committed(url: str, sources: Iterable[str]) -> None:
    """Commit one group, an event of each of these sources."""
    events = [
        RawEvent(
            new_event_id(now_ms()),
            source,
            "misskey",
            now_ms(),
            f"{n}-{new_event_id(0)}",
            60_000,
            b"[]",
            b"{}",
        )
        for n, source in enumerate(sources)
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()


def test_one_job_behind_a_thousand_of_another_source_is_next_but_one(store: Store) -> None:
    """However many are before it, also more than are sorted at a time."""
    wait_in(store, "flood", 2 * SORT_MOST)
    wait_in(store, "quiet", 1)

    first = popped(store, 4)

    assert first.index("quiet-0") <= 3  # two pops sort what is before it
    assert [job for job in first if job != "quiet-0"] == ["flood-0", "flood-1", "flood-2"]


def test_lanes_take_turns_and_each_keeps_its_order(store: Store) -> None:
    """One after the other, for as long as there is something in it."""
    for lane, count in (("a", 4), ("b", 2), ("c", 1)):
        wait_in(store, lane, count)
    assert popped(store, 9) == ["a-0", "b-0", "c-0", "a-1", "b-1", "a-2", "a-3"]


def test_a_lane_that_comes_and_goes_does_not_starve_the_others(store: Store) -> None:
    """One that is always there with a single job gets every other turn, not every turn."""
    wait_in(store, "a", 4)
    order = []
    for n in range(6):
        wait_in(store, "b", 1, name=f"b{n}")
        order += popped(store, 1)
    assert [job[0] for job in order] == ["a", "b", "a", "b", "a", "b"]


def test_a_lane_that_is_to_be_left_alone_is(store: Store) -> None:
    """Its jobs stay where they are, and wait in no other's way."""
    wait_in(store, "a", 2)
    wait_in(store, "b", 1)
    assert popped(store, 3, left_alone=["a"]) == ["b-0"]
    assert store.next(["a"]) is None
    assert store.waiting_jobs() == 2
    assert popped(store, 3) == ["a-0", "a-1"]


def test_what_has_waited_once_goes_before_the_rest_of_its_lane(store: Store) -> None:
    """The events of a process that died are not to wait behind a flood of their own source."""
    wait_in(store, "a", 3)
    popped(store, 1)
    wait_in(store, "a", 1, name="again")
    store.redis.hset(queue.JOB_PREFIX + "again-0", "first", 1)
    assert popped(store, 3) == ["again-0", "a-1", "a-2"]


def test_a_popped_job_is_on_the_intermediate_list(store: Store) -> None:
    """Where it is found if the worker that popped it dies."""
    wait_in(store, "a", 1)
    popped(store, 1)
    assert store.redis.lrange(KEYS.intermediate, 0, -1) == [b"a-0"]


def test_a_source_may_be_called_anything(store: Store) -> None:
    """A lane's list is none of RQ's own, whatever its source is called."""
    for name in ("intermediate", "hookline", "x"):
        wait_in(store, name, 1)
    popped(store, 1)
    assert store.waiting_jobs() == 2
    assert store.redis.llen(KEYS.intermediate) == 1


def test_what_is_no_job_is_popped_all_the_same(store: Store) -> None:
    """Whoever gets it throws it away; it must not stand in the way of the others."""
    store.redis.set(queue.JOB_PREFIX + "wrong-type", "x")
    store.redis.rpush(KEYS.queue, "gone", "wrong-type")
    wait_in(store, "a", 1)
    found = [store.next() for _ in range(3)]
    assert {(job.job_id, job.data) for job in found if job} == {
        (b"gone", None),
        (b"wrong-type", None),
        (b"a-0", b"{}"),
    }


async def test_a_group_of_several_sources_is_one_job_while_the_workers_keep_up(
    store: Store, redis_url: str
) -> None:
    """RQ's cost is shared by all of the group."""
    await committed(redis_url, ["a", "b", "a"])
    assert store.waiting_jobs() == 1
    job = store.next()
    assert job is not None
    assert job.lane == MIXED_LANE


async def test_a_group_of_several_sources_is_a_job_for_each_when_the_workers_are_behind(
    store: Store, redis_url: str
) -> None:
    """Else an event would wait with what it came with, and not have its source's turn."""
    wait_in(store, "a", BEHIND_JOBS + 1)
    await committed(redis_url, ["a", "b", "a"])

    assert store.waiting_jobs() == BEHIND_JOBS + 3
    second = [store.next(), store.next()][1]
    assert second is not None
    assert second.lane == "b"
    assert store.redis.zrange(LANES_KEY, 0, -1) == [b"a", b"b"]
