"""Group commit, with the commit itself and the clock in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline.queue import GROUP_BYTES, GROUP_EVENTS
from hookline_receiver.commit import BEHIND_JOBS, FILL_SECONDS, GroupCommitter

TIMEOUT_SECONDS = 3.0
MIB = 1024 * 1024
HEADERS = b"[]"


class Clock:
    """The event loop's clock, which moves only when it is told to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._now = 0.0
        loop.time = lambda: self._now  # type: ignore[method-assign]

    async def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self._now += seconds
        await settle()


class Commits:
    """The injected commit: it is called with a group, and ends when the test says so."""

    def __init__(self) -> None:
        self.groups: list[Sequence[RawEvent]] = []
        self._ends: list[asyncio.Future[tuple[int, list[str]]]] = []

    async def __call__(self, events: Sequence[RawEvent]) -> tuple[int, list[str]]:
        """What the committer calls."""
        self.groups.append(events)
        self._ends.append(asyncio.get_running_loop().create_future())
        return await self._ends[-1]

    async def succeed(self, *ids: str, waiting_jobs: int = 0) -> None:
        """End the oldest one: under these ids, or else under the events' own."""
        number = self._oldest()
        self._ends[number].set_result((waiting_jobs, list(ids) or [each.id for each in self.groups[number]]))
        await settle()

    async def fail(self, error: Exception) -> None:
        """End the oldest one with an error."""
        self._ends[self._oldest()].set_exception(error)
        await settle()

    def _oldest(self) -> int:
        return next(number for number, end in enumerate(self._ends) if not end.done())

    @property
    def was_cancelled(self) -> bool:
        """Whether the last one was given up."""
        return self._ends[-1].cancelled()

    @property
    def sizes(self) -> list[int]:
        """How many events each group had."""
        return [len(group) for group in self.groups]


class Bench:
    """A committer, and the requests that wait for it."""

    def __init__(self, max_waiting_bytes: int = 64 * MIB) -> None:
        self.commits = Commits()
        self.connections = 0
        self.committer = GroupCommitter(
            self.commits,
            timeout_seconds=TIMEOUT_SECONDS,
            max_waiting_bytes=max_waiting_bytes,
            connections=lambda: self.connections,
        )
        self.clock = Clock(asyncio.get_running_loop())
        self.tasks: list[asyncio.Task[str]] = []

    async def submit(self, count: int = 1, size: int = 10) -> list[asyncio.Task[str]]:
        """Submit so many events of this size."""
        first = len(self.tasks)
        for number in range(first, first + count):
            event = RawEvent(
                id=f"id-{number}",
                source="misskey",
                provider="misskey",
                received_at_ms=number,
                dedupe_key=str(number),
                dedupe_window_ms=1000,
                headers=HEADERS,
                body=b"x" * (size - len(HEADERS)),
            )
            self.tasks.append(asyncio.create_task(self.committer.submit(event)))
        await settle()
        return self.tasks[first:]

    async def submit_behind(self, count: int) -> list[asyncio.Task[str]]:
        """Submit so many while a commit is under way that tells that the workers are behind."""
        await self.submit()
        tasks = await self.submit(count) if count else []
        await self.commits.succeed(waiting_jobs=BEHIND_JOBS + 1)
        return tasks


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A committer of the usual limits."""
    made = Bench()
    yield made
    for task in made.tasks:
        task.cancel()


async def test_when_idle_an_event_is_committed_at_once_and_alone(bench: Bench) -> None:
    """No wait is added: the clock has not moved."""
    (task,) = await bench.submit()
    assert bench.commits.sizes == [1]
    assert not task.done()
    await bench.commits.succeed()
    assert task.result() == "id-0"


async def test_what_arrives_during_a_commit_goes_together(bench: Bench) -> None:
    """In the order in which it came."""
    await bench.submit()
    tasks = await bench.submit(5)
    await bench.commits.succeed()
    assert [event.id for event in bench.commits.groups[1]] == ["id-1", "id-2", "id-3", "id-4", "id-5"]
    await bench.commits.succeed()
    assert [task.result() for task in tasks] == ["id-1", "id-2", "id-3", "id-4", "id-5"]


async def test_a_request_is_answered_only_after_its_own_group(bench: Bench) -> None:
    """Not after the one before it."""
    await bench.submit()
    (later,) = await bench.submit()
    await bench.commits.succeed()
    assert not later.done()


async def test_a_repeat_gives_the_id_of_the_first(bench: Bench) -> None:
    """Which is what the commit told."""
    (task,) = await bench.submit()
    await bench.commits.succeed("an-older-id")
    assert task.result() == "an-older-id"


async def test_a_group_has_64_events_at_most(bench: Bench) -> None:
    """The rest waits for the next."""
    await bench.submit()
    await bench.submit(2 * GROUP_EVENTS + 2)
    for _ in range(4):
        await bench.commits.succeed()
    assert bench.commits.sizes == [1, GROUP_EVENTS, GROUP_EVENTS, 2]


async def test_a_group_has_4_mib_at_most(bench: Bench) -> None:
    """Headers count as well."""
    await bench.submit()
    await bench.submit(4, size=MIB)
    await bench.submit(1)
    await bench.commits.succeed()
    assert bench.commits.sizes == [1, 4]
    await bench.commits.succeed()
    assert bench.commits.sizes == [1, 4, 1]


async def test_an_event_larger_than_a_group_goes_alone(bench: Bench) -> None:
    """Rather than never."""
    await bench.submit()
    await bench.submit(1)
    await bench.submit(1, size=GROUP_BYTES + 1)
    await bench.submit(1)
    for _ in range(4):
        await bench.commits.succeed()
    assert bench.commits.sizes == [1, 1, 1, 1]
    assert all(task.done() for task in bench.tasks)


async def test_while_workers_keep_up_no_group_waits_to_fill(bench: Bench) -> None:
    """A few waiting jobs are no delay."""
    await bench.submit()
    await bench.submit()
    await bench.commits.succeed(waiting_jobs=BEHIND_JOBS)
    assert bench.commits.sizes == [1, 1]


async def test_while_workers_are_behind_a_group_waits_20_ms_to_fill(bench: Bench) -> None:
    """It delays nobody, and makes fewer jobs."""
    await bench.submit_behind(1)
    await bench.clock.advance(FILL_SECONDS - 0.001)
    await bench.submit()
    assert bench.commits.sizes == [1]
    await bench.clock.advance(0.002)
    assert bench.commits.sizes == [1, 2]


async def test_filling_ends_as_soon_as_a_group_is_full_of_events(bench: Bench) -> None:
    """The clock has not moved."""
    await bench.submit_behind(1)
    await bench.submit(GROUP_EVENTS - 1)
    assert bench.commits.sizes == [1, GROUP_EVENTS]


async def test_filling_ends_as_soon_as_a_group_is_full_of_bytes(bench: Bench) -> None:
    """Likewise."""
    await bench.submit_behind(1)
    await bench.submit(1, size=GROUP_BYTES)
    assert bench.commits.sizes == [1, 1]


async def test_a_full_group_does_not_wait_for_the_one_that_is_on_its_way(bench: Bench) -> None:
    """Two are on their way at the most."""
    await bench.submit()
    await bench.submit(2 * GROUP_EVENTS)
    assert bench.commits.sizes == [1, GROUP_EVENTS]
    await bench.commits.succeed()
    assert bench.commits.sizes == [1, GROUP_EVENTS, GROUP_EVENTS]


async def test_with_many_senders_half_of_them_are_enough(bench: Bench) -> None:
    """So that the other half is taken in while the first is on its way; the clock has not moved."""
    bench.connections = 40
    await bench.submit_behind(1)
    await bench.submit(19)
    assert bench.commits.sizes == [1, 20]
    await bench.submit(20)
    assert bench.commits.sizes == [1, 20, 20]


async def test_two_groups_never_take_the_same_event(bench: Bench) -> None:
    """One that fills while the other ends finds nothing left, and commits nothing."""
    bench.connections = 40
    await bench.submit_behind(20)
    await bench.submit(20)
    await bench.commits.succeed(waiting_jobs=BEHIND_JOBS + 1)
    await bench.submit(25)
    for _ in range(3):
        if not all(task.done() for task in bench.tasks):
            await bench.clock.advance(FILL_SECONDS + 0.001)
            await bench.commits.succeed(waiting_jobs=BEHIND_JOBS + 1)
    assert all(task.done() for task in bench.tasks)
    committed = [event.id for group in bench.commits.groups for event in group]
    assert len(committed) == len(set(committed)) == len(bench.tasks)
    assert min(bench.commits.sizes) > 0


async def test_when_workers_have_caught_up_groups_wait_no_more(bench: Bench) -> None:
    """Every commit tells how it is now."""
    await bench.submit_behind(GROUP_EVENTS)
    await bench.submit()
    await bench.commits.succeed(waiting_jobs=0)
    assert bench.commits.sizes == [1, GROUP_EVENTS, 1]


async def test_a_failure_refuses_everything_that_waits(bench: Bench) -> None:
    """Also what waits behind the group: a second time-out would outlast the senders' patience."""
    await bench.submit()
    await bench.submit(GROUP_EVENTS - 1)
    await bench.commits.fail(ConnectionError("gone"))
    for task in bench.tasks:
        with pytest.raises(NotCommittedError, match="ConnectionError: gone"):
            task.result()
    assert bench.commits.sizes == [1]


async def test_after_a_failure_the_next_event_is_tried_again(bench: Bench) -> None:
    """At once: nothing has to be restarted."""
    await bench.submit()
    await bench.commits.fail(ConnectionError())
    assert isinstance(bench.tasks[0].exception(), NotCommittedError)
    (task,) = await bench.submit()
    await bench.commits.succeed()
    assert task.result() == "id-1"


async def test_a_commit_that_takes_too_long_is_given_up(bench: Bench) -> None:
    """And its events refused; should it have happened after all, the retry is a duplicate."""
    (task,) = await bench.submit()
    await bench.clock.advance(TIMEOUT_SECONDS - 0.1)
    assert not task.done()
    await bench.clock.advance(0.2)
    assert isinstance(task.exception(), NotCommittedError)
    assert bench.commits.was_cancelled


@pytest.mark.parametrize(("waited_seconds", "left_seconds"), [(0.0, 3.0), (1.0, 2.0), (1.5, 1.5), (2.9, 1.5)])
async def test_what_an_event_has_waited_for_its_commit_is_taken_off_its_time(
    bench: Bench, waited_seconds: float, left_seconds: float
) -> None:
    """Its sender waits for 5 s in all; but a commit has half of the time-out at the least."""
    await bench.submit()
    (task,) = await bench.submit()
    await bench.clock.advance(waited_seconds)
    await bench.commits.succeed()
    await bench.clock.advance(left_seconds - 0.1)
    assert not task.done()
    await bench.clock.advance(0.2)
    assert isinstance(task.exception(), NotCommittedError)
    assert bench.commits.was_cancelled


async def test_an_answer_that_does_not_fit_the_group_refuses_it(bench: Bench) -> None:
    """Rather than leave a request without any answer."""
    tasks = await bench.submit()
    await bench.commits.succeed("one", "too many")
    assert isinstance(tasks[0].exception(), NotCommittedError)


async def test_more_bytes_than_may_wait_are_refused_at_once() -> None:
    """What is in the group under way no longer counts."""
    bench = Bench(max_waiting_bytes=100)
    await bench.submit(1, size=100)
    waiting = await bench.submit(1, size=60)
    (refused,) = await bench.submit(1, size=41)
    assert isinstance(refused.exception(), NotCommittedError)
    waiting += await bench.submit(1, size=40)
    await bench.commits.succeed()
    await bench.commits.succeed()
    assert [task.result() for task in waiting] == ["id-1", "id-3"]
    await bench.submit(1, size=100)
    await bench.commits.succeed()
    assert bench.tasks[-1].result() == "id-4"


async def test_a_single_event_is_let_in_however_large() -> None:
    """It would be refused for ever otherwise."""
    bench = Bench(max_waiting_bytes=10)
    (task,) = await bench.submit(1, size=1000)
    await bench.commits.succeed()
    assert task.result() == "id-0"


async def test_a_client_that_goes_away_does_not_break_its_group(bench: Bench) -> None:
    """Its event is committed all the same, and the others are answered."""
    first, *_ = await bench.submit()
    second, third = await bench.submit(2)
    first.cancel()
    second.cancel()
    await settle()
    await bench.commits.succeed()
    await bench.commits.succeed()
    assert bench.commits.sizes == [1, 2]
    assert third.result() == "id-2"


async def test_clients_that_go_away_do_not_break_a_failure_either(bench: Bench) -> None:
    """Nobody is left to be told."""
    first, *_ = await bench.submit()
    first.cancel()
    await settle()
    await bench.commits.fail(ConnectionError())
    (task,) = await bench.submit()
    await bench.commits.succeed()
    assert task.result() == "id-1"


async def test_draining_waits_for_all_that_was_submitted(bench: Bench) -> None:
    """Over as many groups as it takes."""
    await bench.submit()
    await bench.submit(GROUP_EVENTS + 1)
    drained = asyncio.create_task(bench.committer.drain())
    for _ in range(3):
        await settle()
        assert not drained.done()
        await bench.commits.succeed()
    assert drained.done()
    assert all(task.done() for task in bench.tasks)


async def test_draining_an_idle_committer_is_immediate(bench: Bench) -> None:
    """There is nothing to wait for."""
    await bench.committer.drain()
