"""Group commit: requests that arrive while a commit is under way go to Redis together in the next one.

Idle, a group is one event and nothing waits. Busy, RQ's cost and the round trip are shared by up to 64, and
the next group is taken in while one is on its way. What Redis doesn't take goes the way of `detour.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from hookline.errors import NotCommittedError
from hookline.intake import BEHIND_JOBS, RawEvent
from hookline.queue import GROUP_BYTES, GROUP_EVENTS
from hookline_receiver.detour import Detour, say
from hookline_receiver.tally import Tally
from hookline_receiver.waiting import Outcome, Waiter, WaitingLine, tell

FILL_SECONDS = 0.020
"""For how long a group waits to be filled while the workers are behind, which delays nobody."""
COMMITS_AT_ONCE = 2
FEW_EVENTS = 16
"""From this many on, half of the senders are enough for a group; fewer wait for more."""
LEAST_PART = 0.5
"""Of the time-out: what a commit has at the least, however long its events have waited for it."""
SPOOLED_AT_ONCE = 1024
"""No job has to run these together, so that a group shares its fsync with many more."""

Commit = Callable[[Sequence[RawEvent]], Awaitable[tuple[int, list[str]]]]

log = structlog.get_logger(__name__)


class GroupCommitter:
    """Takes events one by one and commits them in groups; each caller waits for its own group."""

    def __init__(
        self,
        commit: Commit,
        *,
        timeout_seconds: float,
        max_waiting_bytes: int,
        connections: Callable[[], int] = lambda: 0,
        detour: Detour | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`connections` tells how many senders there may be at the most, each with one event at a time."""
        self._commit = commit
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._detour = detour or Detour()
        self._tally = tally or Tally()
        self._waiting = WaitingLine(max_waiting_bytes)
        self._enough_events = GROUP_EVENTS
        self._filled = asyncio.Event()
        self._is_filling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_behind = False
        self._is_overfull = False

    async def submit(self, event: RawEvent) -> str:
        """Commit this event, and give the id under which it is stored.

        Raises NotCommittedError when nobody took it in time, or too much is waiting already. An event
        whose caller goes away while it waits is committed all the same.
        """
        told: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.enlist(event, lambda outcome: None if told.done() else told.set_result(outcome))
        outcome = await told
        if isinstance(outcome, NotCommittedError):
            raise outcome
        return outcome

    def enlist(self, event: RawEvent, tell: Callable[[Outcome], None]) -> None:
        """Commit this event with the next group and `tell` the outcome: at once, if too much is waiting."""
        size = len(event.body) + len(event.headers)
        if not self._waiting.has_room(event.source, size):
            self._tell_overfull(event.source)
            tell(NotCommittedError(f"{self._waiting.size_bytes} bytes are waiting for their commit already"))
            return
        self._waiting.add(Waiter(event, size, tell, asyncio.get_running_loop().time()))
        if self._is_filling:
            if self._is_enough():
                self._filled.set()
        elif not self._tasks or (len(self._tasks) < COMMITS_AT_ONCE and self._is_enough()):
            self._tasks.add(asyncio.create_task(self._run()))

    async def drain(self) -> None:
        """Wait until everything that was submitted is committed or refused."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self) -> None:
        """Commit group after group, for as long as there is one that no other task sees to."""
        try:
            while self._waiting and (len(self._tasks) == 1 or self._is_enough()):
                self._look_around()
                if self._is_behind:
                    await self._fill()
                most_events = SPOOLED_AT_ONCE if self._detour.is_away else self._enough_events
                if group := self._waiting.next_group(most_events):  # the other task may have taken all
                    await self._settle(group)
        finally:  # here and not when the task is over: what comes in between would wait for nobody
            self._tasks.discard(asyncio.current_task())

    def _look_around(self) -> None:
        """Half of the senders are enough for a group: the other half makes the next meanwhile."""
        half = self._connections() // 2
        self._enough_events = GROUP_EVENTS if half < FEW_EVENTS else min(half, GROUP_EVENTS)

    async def _fill(self) -> None:
        if self._is_enough():
            return
        self._filled.clear()
        self._is_filling = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FILL_SECONDS):
                await self._filled.wait()
        self._is_filling = False

    def _is_enough(self) -> bool:
        return len(self._waiting) >= self._enough_events or self._waiting.size_bytes >= GROUP_BYTES

    async def _settle(self, group: list[Waiter]) -> None:
        """Commit a group, but for those whose way doesn't lead to Redis now."""
        if not self._detour.is_needed:
            await self._commit_group(group)
            return
        aside: list[Waiter] = []
        direct: list[Waiter] = []
        for each in group:
            (aside if self._detour.is_for(each.event.source) else direct).append(each)
        ways = []  # at the same time: those on one way don't wait for those on the other
        if aside:
            ways.append(self._divert(aside, "redis takes no more for now"))
        if direct:
            ways.append(self._commit_group(direct))
        await asyncio.gather(*ways)

    async def _commit_group(self, group: list[Waiter]) -> None:
        began_at = time.monotonic()
        try:
            async with asyncio.timeout_at(self._deadline(group[0])):
                waiting_jobs, ids = await self._commit([each.event for each in group])
            answers = list(zip(group, ids, strict=True))
        except Exception as error:  # whatever Redis says, the sender must have an answer
            self._detour.redis_failed(error)
            # Those behind must not wait for a time-out of their own. With a spool, their turn comes at once.
            behind = [] if self._detour.is_away else self._waiting.all()
            await self._divert([*group, *behind], say(error))
            return
        self._is_behind = waiting_jobs > BEHIND_JOBS
        self._is_overfull = False
        self._detour.redis_took()
        self._tally.committed(len(group), time.monotonic() - began_at)
        for each, event_id in answers:
            tell(each, event_id)

    def _deadline(self, first: Waiter) -> float:
        """Until when its sender must have an answer, whatever it has waited for before this commit."""
        least = asyncio.get_running_loop().time() + self._timeout_seconds * LEAST_PART
        return max(first.since + self._timeout_seconds, least)

    async def _divert(self, waiters: list[Waiter], reason: str) -> None:
        outcomes = await self._detour.take([each.event for each in waiters], reason)
        self._tally.spooled(
            each.event.source
            for each, outcome in zip(waiters, outcomes, strict=True)
            if isinstance(outcome, str)
        )
        for each, outcome in zip(waiters, outcomes, strict=True):
            tell(each, outcome)

    def _tell_overfull(self, source: str) -> None:
        """Once, not for every request, until a commit succeeds."""
        if not self._is_overfull:
            self._is_overfull = True
            log.error(
                "more waits for redis than receiver.max_waiting_bytes; senders are told to try again",
                waiting_bytes=self._waiting.size_bytes,
                source=source,
            )
