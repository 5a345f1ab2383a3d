"""Group commit over a real Redis: one round trip a group, each event once, one job for the new ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from hookline.connections import connect_async
from hookline.embedded import EmbeddedRedis
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import COUNTERS_KEY
from hookline.operations import now_ms, text
from hookline.queue import FUNCTION, GROUP_EVENTS
from hookline.settings import Redis as RedisSettings
from hookline.store import Store
from hookline_receiver.commit import GroupCommitter

QUEUE_KEY = "rq:queue:hookline"


def event(key: str, *, source: str = "misskey", window_ms: int = 60_000, in_ms: int = 0) -> RawEvent:
    """A delivery with this dedupe key, received now or later."""
    received_at_ms = now_ms() + in_ms
    return RawEvent(
        id=new_event_id(received_at_ms),
        source=source,
        provider="misskey",
        received_at_ms=received_at_ms,
        dedupe_key=key,
        dedupe_window_ms=window_ms,
        headers=b'[["x-misskey-hook-secret","***"]]',
        body=b"\x00\xff not even text",
    )


def everything(store: Store) -> dict[bytes, Any]:
    """All keys with their values."""
    redis = store.redis
    readers = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    return {key: readers[redis.type(key)](key) for key in redis.scan_iter()}


@pytest.fixture
async def commit(redis: EmbeddedRedis) -> AsyncIterator[CommitScript]:
    """The commit that the receiver uses."""
    async with connect_async(RedisSettings(url=redis.url)) as client:
        yield CommitScript(client, "hookline")


async def test_an_event_is_stored_as_it_came_with_its_job(commit: CommitScript, store: Store) -> None:
    """Bytes that are no text included."""
    new = event("a")
    assert await commit([new]) == (1, [new.id])
    assert store.fields(new.id) == {
        "source": b"misskey",
        "provider": b"misskey",
        "received_at": str(new.received_at_ms).encode(),
        "headers": new.headers,
        "body": new.body,
        "state": b"queued",
    }
    assert store.event_ids() == [new.id]
    (job_id,) = text(store.redis.lrange(QUEUE_KEY, 0, -1))
    assert json.loads(store.redis.hget(f"rq:job:{job_id}", "data")) == [FUNCTION, None, [[new.id]], {}]


async def test_a_traced_event_keeps_its_trace_through_a_repeat(commit: CommitScript, store: Store) -> None:
    """Its runs are of the trace of the delivery that was first."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    new, untraced = event("a")._replace(trace=trace), event("b")
    await commit([untraced, new])
    await commit([event("a")._replace(trace=trace.replace("b7ad", "c8be"))])
    assert store.fields(new.id)["trace"] == trace.encode()
    assert "trace" not in store.fields(untraced.id)


async def test_a_repeat_within_one_group_is_dropped(commit: CommitScript, store: Store) -> None:
    """And has the first's id."""
    first, other, repeat = event("a"), event("b"), event("a")
    _, ids = await commit([first, other, repeat])
    assert ids == [first.id, other.id, first.id]
    assert len(store.event_ids()) == 2
    assert store.fields(repeat.id) == {}


async def test_a_repeat_in_a_later_group_is_dropped_and_counted(commit: CommitScript, store: Store) -> None:
    """On the event itself and for its source."""
    first = event("a")
    await commit([first])
    for _ in range(2):
        assert (await commit([event("a"), event("b")]))[1][0] == first.id
    assert store.fields(first.id)["repeats"] == b"2"
    assert store.redis.hgetall(COUNTERS_KEY) == {
        b"received:misskey": b"2",
        b"repeated:misskey": b"3",
        b"open:misskey": b"2",
        b"last:misskey": store.fields(store.event_ids()[-1])["received_at"],
    }


async def test_a_group_of_repeats_pushes_no_job(commit: CommitScript, store: Store) -> None:
    """The workers have nothing to do."""
    await commit([event("a"), event("b")])
    jobs = store.waiting_jobs()
    keys = set(store.redis.scan_iter())
    assert (await commit([event("a"), event("b")]))[0] == jobs
    assert store.waiting_jobs() == jobs
    assert set(store.redis.scan_iter()) == keys


async def test_the_same_key_of_two_sources_is_two_events(commit: CommitScript) -> None:
    """Two servers may well send the same bytes."""
    one, two = event("a", source="one"), event("a", source="two")
    assert (await commit([one, two]))[1] == [one.id, two.id]


async def test_after_the_window_it_is_a_new_event(commit: CommitScript) -> None:
    """To the millisecond, and the window then begins anew."""
    first = event("a")
    await commit([first])
    within, after = event("a", in_ms=59_000), event("a", in_ms=61_000)
    assert (await commit([within, after]))[1] == [first.id, after.id]
    assert (await commit([event("a", in_ms=100_000)]))[1] == [after.id]


async def test_a_repeat_is_known_when_the_bucket_of_the_first_is_no_longer_filled(
    commit: CommitScript, store: Store, wait_for: Callable[..., Any]
) -> None:
    """A window can span two buckets; a bucket expires when it is of no use."""
    window_ms = 400
    first = event("a", window_ms=window_ms)
    await commit([first])
    (bucket,) = store.redis.scan_iter("hookline:dedupe:*")
    period = int(bucket.rsplit(b":", 1)[1])
    wait_for(lambda: now_ms() // window_ms > period, "the next bucket")
    again = event("a", window_ms=window_ms)
    expected = first if again.received_at_ms - first.received_at_ms < window_ms else again
    assert (await commit([again]))[1] == [expected.id]
    wait_for(lambda: not store.redis.exists(bucket), "the end of the bucket")
    assert now_ms() >= (period + 2) * window_ms
    assert store.redis.pttl(f"hookline:event:{first.id}") == -1


async def test_a_group_sent_again_after_a_lost_answer_changes_nothing(
    commit: CommitScript, store: Store
) -> None:
    """Which is what the client does when the connection breaks."""
    await commit([event("seen before")])
    group = [event("a"), event("b")]
    answer = await commit(group)
    before = everything(store)
    assert await commit(group) == answer
    assert everything(store) == before


async def test_the_script_survives_a_flush_of_redis_scripts(commit: CommitScript, store: Store) -> None:
    """As after a restart of Redis."""
    await commit([event("a")])
    store.redis.script_flush()
    new = event("b")
    assert (await commit([new]))[1] == [new.id]


async def test_a_group_is_one_round_trip_and_at_most_one_job(commit: CommitScript, store: Store) -> None:
    """However many requests come at once."""
    groups: list[int] = []

    async def counting(events: Sequence[RawEvent]) -> tuple[int, list[str]]:
        groups.append(len(events))
        return await commit(events)

    committer = GroupCommitter(counting, timeout_seconds=10, max_waiting_bytes=2**20)
    await committer.submit(event("warm"))  # loads the script
    store.redis.config_resetstat()
    jobs_before = store.waiting_jobs()
    groups.clear()
    await asyncio.gather(*(committer.submit(event(str(number % 400))) for number in range(500)))
    calls = {name: each["calls"] for name, each in store.redis.info("commandstats").items()}
    assert calls["cmdstat_evalsha"] == len(groups)
    assert sum(groups) == 500
    assert max(groups) == GROUP_EVENTS
    assert store.waiting_jobs() - jobs_before <= len(groups)
    assert len(store.event_ids()) == 401


async def test_a_provider_without_a_window_holds_nothing_up(commit: CommitScript, store: Store) -> None:
    """It knows no repeats."""
    first, second = (event("a")._replace(dedupe_window_ms=0) for _ in range(2))
    for each in (first, second):
        _, ids = await commit([each])
        assert ids == [each.id]
        await asyncio.sleep(0.003)
