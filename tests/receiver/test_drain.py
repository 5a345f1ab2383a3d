"""What was spooled goes into Redis, each event once, whatever is cut off in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import connect_async
from hookline.embedded import EmbeddedRedis
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import COUNTERS_KEY, DEDUPE_PREFIX, OPEN_KEY
from hookline.operations import now_ms
from hookline.queue import GROUP_EVENTS
from hookline.settings import Redis as RedisSettings
from hookline.spool_folder import Spooled
from hookline.store import Change, Store
from hookline_receiver.detour import NOTHING, Detour, Hold
from hookline_receiver.drain import Drain
from hookline_receiver.spool import Spool, SpoolError

MIB = 1024 * 1024


def event(number: int, source: str = "misskey") -> RawEvent:
    """One of the last 8 days' events."""
    received_at_ms = now_ms() + number
    event_id = new_event_id(received_at_ms)
    return RawEvent(event_id, source, "misskey", received_at_ms, event_id, 60_000, b"[]", b"%d" % number)


class Bench:
    """A drain of one process, and what it commits."""

    def __init__(self, client: AsyncRedis, folder: Path) -> None:
        self.commit = CommitScript(client, "hookline")
        self.committed: list[str] = []
        self.has_committed = asyncio.Event()
        self.spool = Spool(folder, 64 * MIB)
        self.detour = Detour(self.spool)
        self.drain = Drain(self.spool, self._commit, client, self.detour, timeout_seconds=3)

    async def _commit(self, events: Sequence[RawEvent]) -> tuple[int, list[str]]:
        answer = await self.commit(events, again=True)
        self.committed += [each.id for each in events]
        self.has_committed.set()
        return answer

    async def keep(self, events: Sequence[RawEvent]) -> list[str]:
        """Spool these; their ids."""
        assert await self.spool.keep(events) == [each.id for each in events]
        return [each.id for each in events]


@pytest.fixture
async def client(redis: EmbeddedRedis) -> AsyncIterator[AsyncRedis]:
    """As the receiver has it."""
    async with connect_async(RedisSettings(url=redis.url)) as client:
        yield client


@pytest.fixture
async def benches(client: AsyncRedis, tmp_path: Path) -> AsyncIterator[list[Bench]]:
    """Those of two processes that share a spool."""
    made = [Bench(client, tmp_path / "spool") for _ in range(2)]
    yield made
    for each in made:
        await each.spool.close()


def stored(store: Store) -> list[str]:
    """The ids in Redis, by when they were received."""
    return store.event_ids()


async def test_all_that_is_spooled_is_drained_in_its_order(benches: list[Bench], store: Store) -> None:
    """In groups, with one job for each; then the spool is empty and small."""
    bench, _ = benches
    ids = await bench.keep([event(number) for number in range(2 * GROUP_EVENTS + 2)])
    assert await bench.drain.look() == len(ids)
    assert bench.committed == ids == stored(store)
    assert store.waiting_jobs() == 3
    assert await bench.spool.totals() == Spooled(0, 0)
    assert await bench.drain.look() == 0


async def test_a_crash_between_commit_and_removal_repeats_nothing(benches: list[Bench], store: Store) -> None:
    """The next process commits them again, which changes nothing."""
    dying, next_one = benches
    ids = await dying.keep([event(number) for number in range(5)])
    await dying.commit([record.event for record in await dying.spool.oldest(frozenset())])
    before = store.redis.hgetall(COUNTERS_KEY), store.waiting_jobs(), stored(store)
    await dying.spool.close()
    assert await next_one.drain.look() == 5
    assert next_one.committed == ids
    assert (store.redis.hgetall(COUNTERS_KEY), store.waiting_jobs(), stored(store)) == before
    assert await next_one.spool.totals() == Spooled(0, 0)


async def test_a_crash_is_over_only_after_the_dedupe_window_and_repeats_nothing(
    benches: list[Bench], store: Store
) -> None:
    """What was committed before the crash is done by then, and nothing but the event itself tells of it."""
    dying, next_one = benches
    (done,) = await dying.keep([event(1)])
    await dying.commit([record.event for record in await dying.spool.oldest(frozenset())])
    store.take("a", 10_000, [done], execution="job:a")
    store.record("a", [Change(done, {}, "done")])
    store.redis.delete(*store.redis.keys(DEDUPE_PREFIX + "*"))  # as they go when their time is over
    before = store.redis.hgetall(COUNTERS_KEY), stored(store)

    assert await next_one.drain.look() == 1

    assert store.fields(done)["state"] == b"done"
    assert (store.redis.hgetall(COUNTERS_KEY), stored(store)) == before
    assert not store.redis.smembers(OPEN_KEY)


async def test_a_delivery_that_came_again_meanwhile_is_not_there_twice(
    benches: list[Bench], store: Store
) -> None:
    """Its sender sent it to another receiver, which had Redis."""
    bench, _ = benches
    spooled = event(1)
    again = event(2)._replace(dedupe_key=spooled.dedupe_key)
    await bench.keep([spooled])
    await bench.commit([again])
    await bench.drain.look()
    assert stored(store) == [again.id]


async def test_two_processes_drain_no_event_twice(benches: list[Bench], store: Store) -> None:
    """Whoever has the lock drains; the other one does nothing."""
    ids: list[str] = []
    for number in range(8):
        ids += await benches[number % 2].keep([event(each) for each in range(number * 50, number * 50 + 50)])
    counts = await asyncio.gather(*(bench.drain.look() for bench in benches))
    assert sorted(counts) == [0, len(ids)]
    assert sorted(benches[0].committed + benches[1].committed) == sorted(ids) == stored(store)


async def test_the_drain_holds_back_while_redis_has_enough(benches: list[Bench], store: Store) -> None:
    """Of everybody's, or of one source's."""
    bench, _ = benches
    flood = await bench.keep([event(number, "flood") for number in range(3)])
    quiet = await bench.keep([event(number, "quiet") for number in range(3)])
    bench.detour.hold = Hold(reason="receiver.max_waiting_events")
    assert await bench.drain.look() == 0
    bench.detour.hold = Hold(frozenset({"flood"}))
    assert await bench.drain.look() == 3
    assert bench.committed == quiet
    bench.detour.hold = NOTHING
    assert await bench.drain.look() == 3
    assert bench.committed == quiet + flood
    assert len(stored(store)) == 6


async def test_what_redis_refuses_stays_in_the_spool(own_redis: EmbeddedRedis, tmp_path: Path) -> None:
    """Full, then away, then back."""
    async with connect_async(RedisSettings(url=own_redis.url)) as client:
        bench = Bench(client, tmp_path / "spool")
        ids = await bench.keep([event(number) for number in range(3)])
        await client.config_set("maxmemory", 1)
        assert await bench.drain.look() == 0
        assert bench.detour.is_away
        assert await bench.drain.look() == 0
        own_redis.stop()
        assert await bench.drain.look() == 0
        assert (await bench.spool.totals()).events == 3
        own_redis.start()
        assert await bench.drain.look() == 3
        assert bench.committed == ids
        assert not bench.detour.is_away
        await bench.spool.close()


async def test_a_drain_that_meets_an_error_goes_on_with_the_next_look(
    benches: list[Bench], tmp_path: Path, store: Store
) -> None:
    """Its task doesn't end: the folder is gone, and is there again."""
    bench, _ = benches
    (tmp_path / "spool").touch()
    task = asyncio.create_task(bench.drain.run())
    with pytest.raises(SpoolError):
        await bench.spool.totals()
    (tmp_path / "spool").unlink()
    ids = await bench.keep([event(1)])
    async with asyncio.timeout(30):
        await bench.has_committed.wait()
    task.cancel()
    await asyncio.wait([task])
    assert stored(store) == ids


async def test_one_that_can_never_be_committed_holds_up_no_other(benches: list[Bench], store: Store) -> None:
    """It stays in the spool, and the circuit stays as it is."""
    bench, _ = benches
    wrong = event(0)._replace(dedupe_key="\ud800")  # as from a provider with a mistake
    await bench.keep([wrong])
    ids = await bench.keep([event(number) for number in range(1, 4)])
    await bench.drain.look()
    assert stored(store) == ids
    assert (await bench.spool.totals()).events == 1
    assert not bench.detour.is_away
    assert await bench.drain.look() == 0
