"""Where a group goes that Redis doesn't take, with the commit in the test's hands and a real spool."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline_receiver.commit import COMMITS_AT_ONCE, GroupCommitter
from hookline_receiver.detour import NOTHING, Detour, Hold
from hookline_receiver.spool import Spool, SpoolError
from hookline_receiver.waiting import Outcome, Waiter, WaitingLine

MIB = 1024 * 1024


def event(number: int, *, source: str = "misskey", size: int = 10) -> RawEvent:
    """One of this size."""
    return RawEvent(f"id-{number}", source, "misskey", number, str(number), 1000, b"", b"x" * size)


class FakeRedis:
    """Takes commits, or fails each of them."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.groups: list[list[str]] = []

    async def __call__(self, events: Sequence[RawEvent]) -> tuple[int, list[str]]:
        """What the committer calls."""
        self.groups.append([each.id for each in events])
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return 0, self.groups[-1]


class Bench:
    """A committer with a spool."""

    def __init__(self, folder: Path) -> None:
        self.redis = FakeRedis()
        self.spool = Spool(folder, 64 * MIB)
        self.detour = Detour(self.spool)
        self.committer = GroupCommitter(
            self.redis, timeout_seconds=3, max_waiting_bytes=64 * MIB, detour=self.detour
        )

    async def submit(self, *events: RawEvent) -> list[Outcome]:
        """Submit these at the same time; what became of each."""
        tasks = [asyncio.create_task(self.committer.submit(each)) for each in events]
        return [
            error if isinstance(error, NotCommittedError) else str(error)
            for error in await asyncio.gather(*tasks, return_exceptions=True)
        ]

    async def spooled(self) -> list[str]:
        """The ids in the spool, in their order."""
        return [record.event.id for record in await self.spool.oldest(frozenset())]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """One over a spool of its own."""
    made = Bench(tmp_path / "spool")
    yield made
    await made.spool.close()


async def test_while_redis_takes_commits_the_spool_is_not_touched(bench: Bench, tmp_path: Path) -> None:
    """Not even opened."""
    assert await bench.submit(event(1)) == ["id-1"]
    assert not (tmp_path / "spool").exists()


async def test_a_group_that_redis_refuses_is_spooled_with_all_behind_it(bench: Bench) -> None:
    """Under their own ids; those behind don't ask Redis any more."""
    bench.redis.error = TimeoutError()
    events = [event(number) for number in range(200)]
    assert await bench.submit(*events) == [each.id for each in events]
    assert (await bench.spool.totals()).events == 200
    assert len(bench.redis.groups) <= COMMITS_AT_ONCE


async def test_a_redis_known_to_be_away_is_not_asked_again(bench: Bench) -> None:
    """Until somebody has found out that it is back."""
    bench.redis.error = TimeoutError()
    await bench.submit(event(1))
    bench.redis.error = None
    assert await bench.submit(event(2)) == ["id-2"]
    assert bench.redis.groups == [["id-1"]]
    bench.detour.is_away = False
    assert await bench.submit(event(3)) == ["id-3"]
    assert bench.redis.groups == [["id-1"], ["id-3"]]
    assert await bench.spooled() == ["id-1", "id-2"]


async def test_the_deliveries_of_a_source_that_is_held_are_spooled(bench: Bench) -> None:
    """Those of the others go to Redis, from the same group."""
    bench.detour.hold = Hold(frozenset({"flood"}))
    events = [event(number, source=("flood", "quiet")[number % 2]) for number in range(6)]
    assert await bench.submit(*events) == [each.id for each in events]
    assert sorted(await bench.spooled()) == ["id-0", "id-2", "id-4"]
    assert sorted(each for group in bench.redis.groups for each in group) == ["id-1", "id-3", "id-5"]
    bench.detour.hold = NOTHING
    await bench.submit(event(7, source="flood"))
    assert bench.redis.groups[-1] == ["id-7"]


async def test_without_a_spool_what_is_held_is_refused(bench: Bench) -> None:
    """And no more than that."""
    bench.detour.spool = None
    bench.detour.hold = Hold(reason="receiver.max_waiting_events")
    (refused,) = await bench.submit(event(1))
    assert isinstance(refused, NotCommittedError)
    assert bench.redis.groups == []


async def test_a_spool_that_cannot_be_written_refuses_and_recovers(bench: Bench, tmp_path: Path) -> None:
    """A file is in the place of its folder."""
    bench.redis.error = TimeoutError()
    (tmp_path / "spool").touch()
    refused = await bench.submit(event(1), event(2))
    assert [type(each) for each in refused] == [NotCommittedError] * 2
    assert not await bench.spool.takes()
    (tmp_path / "spool").unlink()
    assert await bench.submit(event(3)) == ["id-3"]
    assert await bench.spool.takes()


async def test_a_disk_that_hangs_holds_up_nobody_for_long(tmp_path: Path) -> None:
    """The first waits for its time-out, the next are refused at once, and later it is as before."""
    spool = Spool(tmp_path / "spool", 64 * MIB, write_seconds=0.05)
    hanging = threading.Event()
    spool._thread.submit(hanging.wait)
    assert isinstance((await spool.keep([event(1)]))[0], NotCommittedError)
    queued = spool._thread._work_queue.qsize()
    for _ in range(5):
        assert isinstance((await spool.keep([event(2)]))[0], NotCommittedError)
    assert spool._thread._work_queue.qsize() == queued
    hanging.set()
    spool._write_seconds = 60.0  # from here on it is about what happens, and not when
    await spool.totals()
    assert await spool.keep([event(3)]) == ["id-3"]
    assert "id-2" not in [record.event.id for record in await spool.oldest(frozenset())]
    await spool.close()


async def test_a_disk_that_hangs_does_not_keep_the_drain_from_looking(tmp_path: Path) -> None:
    """Else nobody would notice that Redis is back."""
    spool = Spool(tmp_path / "spool", 64 * MIB, write_seconds=0.05)
    hanging = threading.Event()
    spool._thread.submit(hanging.wait)
    with pytest.raises(SpoolError):
        await spool.totals()
    hanging.set()
    await spool.close()


def test_a_flood_of_one_source_leaves_room_in_the_line_for_another() -> None:
    """It may have three quarters of the bytes that wait; what has left the line no longer counts."""
    line = WaitingLine(1000)
    while line.has_room("flood", 10):
        line.add(Waiter(event(1, source="flood"), 10, lambda _: None, 0.0))
    assert line.size_bytes == 750
    assert line.has_room("quiet", 200)
    assert not line.has_room("quiet", 251)
    line.next_group(10)
    assert line.has_room("flood", 10)
    assert len(line.all()) == 65
    assert line.size_bytes == 0
    assert line.has_room("flood", 999)
