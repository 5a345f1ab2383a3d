"""Group commit: requests that arrive while a commit is under way go to Redis together in the next one.

Idle, a group is one event and nothing waits. Busy, RQ's cost and the round trip are shared by up to 64, and
the next group is taken in while one is on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from hookline.connections import is_unavailable
from hookline.errors import NotCommittedError
from hookline.queue import GROUP_BYTES, GROUP_EVENTS
from hookline.store import RawEvent

BEHIND_JOBS = 8
"""More jobs waiting than this: the workers are behind, and waiting to fill a group delays nobody."""
FILL_SECONDS = 0.020
COMMITS_AT_ONCE = 2
FEW_EVENTS = 16
"""From this many on, half of the senders are enough for a group; fewer wait for more."""

Commit = Callable[[Sequence[RawEvent]], Awaitable[tuple[int, list[str]]]]
Outcome = str | NotCommittedError
"""The id under which an event is stored, another's when it was seen before; or why it is not."""

log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    event: RawEvent
    size: int
    tell: Callable[[Outcome], None]


class GroupCommitter:
    """Takes events one by one and commits them in groups; each caller waits for its own group."""

    def __init__(
        self,
        commit: Commit,
        *,
        timeout_seconds: float,
        max_waiting_bytes: int,
        connections: Callable[[], int] = lambda: 0,
    ) -> None:
        """`connections` tells how many senders there may be at the most, each with one event at a time."""
        self._commit = commit
        self._connections = connections
        self._timeout_seconds = timeout_seconds
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._enough_events = GROUP_EVENTS
        self._filled = asyncio.Event()
        self._is_filling = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_behind = False
        self._is_unavailable = False
        self._is_overfull = False

    async def submit(self, event: RawEvent) -> str:
        """Commit this event, and give the id under which it is stored.

        Raises NotCommittedError when Redis did not take it in time, or too much is waiting already. An
        event whose caller goes away while it waits is committed all the same.
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
        if self._waiting and self._waiting_bytes + size > self._max_waiting_bytes:
            self._tell_overfull()
            tell(NotCommittedError(f"{self._waiting_bytes} bytes are waiting for their commit already"))
            return
        self._waiting.append(_Waiting(event, size, tell))
        self._waiting_bytes += size
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
                if group := self._next_group():  # while this one filled, the other may have taken all
                    await self._commit_group(group)
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
        return len(self._waiting) >= self._enough_events or self._waiting_bytes >= GROUP_BYTES

    def _next_group(self) -> list[_Waiting]:
        """The next events in their order, up to the limits; a single one may be over that of the bytes."""
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < self._enough_events:
            if group and size + self._waiting[0].size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
            size += group[-1].size
        self._waiting_bytes -= size
        return group

    async def _commit_group(self, group: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                waiting_jobs, ids = await self._commit([each.event for each in group])
            answers = list(zip(group, ids, strict=True))
        except Exception as error:  # whatever Redis says, the sender must be told to try again
            self._refuse(group, error)
            return
        self._is_behind = waiting_jobs > BEHIND_JOBS
        self._is_overfull = False
        if self._is_unavailable:
            self._is_unavailable = False
            log.info("redis takes commits again")
        for each, event_id in answers:
            _tell(each, event_id)

    def _refuse(self, group: list[_Waiting], error: Exception) -> None:
        """Refuse the group, and what waits behind it: a second time-out would outlast all patience."""
        if not self._is_unavailable:
            self._is_unavailable = True
            if isinstance(error, TimeoutError) or is_unavailable(error):
                log.error("redis does not take commits; senders are told to try again", error=_say(error))
            else:
                log.exception("a commit failed; senders are told to try again")
        refused = [*group, *self._waiting]
        self._waiting.clear()
        self._waiting_bytes = 0
        for each in refused:
            _tell(each, NotCommittedError(_say(error)))

    def _tell_overfull(self) -> None:
        """Once, not for every request, until a commit succeeds."""
        if not self._is_overfull:
            self._is_overfull = True
            log.error(
                "more waits for redis than receiver.max_waiting_bytes; senders are told to try again",
                waiting_bytes=self._waiting_bytes,
            )


def _tell(waiting: _Waiting, outcome: Outcome) -> None:
    try:
        waiting.tell(outcome)
    except Exception:  # a mistake of ours on one connection; the others of the group have to be told
        log.exception("an answer could not be sent; its sender will try again")


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
