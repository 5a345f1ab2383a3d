"""The worker's and the command line's side of Redis: what they read, and the atomic steps that they take."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from redis import Redis

from hookline import queue
from hookline.acknowledged import Acknowledgement, acknowledged_script
from hookline.keys import (
    EVENT_PREFIX,
    GRACE_KEY,
    JOBS_KEY,
    LANES_KEY,
    LEASE_PREFIX,
    OPEN_KEY,
    PAUSED_KEY,
    STUCK_KEY,
    TICK_KEY,
)
from hookline.ledger import Ended
from hookline.operations import Operations, batches, text
from hookline.scripts import script

SORT_MOST = 500
TICK_MS = 900
STUCK_MS = 4_000
TICK_MOST = 500
OUTAGE_MS = 3_000
GRACE_MS = 5_000
STARTED_LONGER_MS = 250
"""By how much RQ's entry of a started job outlives the lease, so that with the job one gets its events."""


class Popped(NamedTuple):
    """A job that is on its way from a lane to a worker."""

    job_id: bytes
    """As it is in the queue, which may be anything."""
    data: bytes | None
    """None when there is no such job any more, or none of ours."""
    lane: str


@dataclass(slots=True)
class Change:
    """What to write to one event that the writer holds the lease of."""

    event_id: str
    fields: dict[str, str] = field(default_factory=dict)
    state: str = ""
    """`done` and `dead` finish the event, the others release it, empty keeps it leased."""
    type: str = ""
    """The event's type, as soon as it is known."""
    ended: list[Ended] = field(default_factory=list)
    """Attempts that have ended, to be counted."""
    failures: dict[str, str] = field(default_factory=dict)
    """Of a dead letter: the groups that it belongs to, and what each is called."""

    def follow_with(self, later: Change) -> None:
        """Let this one be both, written in one step."""
        self.fields |= later.fields
        self.state = later.state or self.state
        self.type = later.type or self.type
        self.ended += later.ended
        self.failures |= later.failures

    def arguments(self) -> list[Any]:
        """As `record.lua` takes it."""
        told = {"type": self.type, "failures": " ".join(self.failures)}
        fields = {name: value for name, value in told.items() if value} | self.fields
        return [
            *(self.event_id, self.state, self.type),
            *(len(fields), *_flat(fields.items())),
            *(len(self.failures), *_flat(self.failures.items())),
            *(len(self.ended), *_flat(self.ended)),
        ]


class Paused(NamedTuple):
    """In place of an event whose source is paused."""

    source: str


class Taken(NamedTuple):
    """What came of leasing some events."""

    now_ms: int
    """Redis's time."""
    paused_lanes: frozenset[str]
    events: list[dict[str, bytes] | Paused | int | None]
    """Each one's fields, or the ms for which another owner's lease holds at the least, or None when there is
    nothing to do."""


class Store(Operations):
    """The worker's and the command line's side of the same keys. `redis` must not decode responses."""

    def __init__(
        self, redis: Redis, queue_name: str = "hookline", ack: Acknowledgement | None = None
    ) -> None:
        super().__init__(redis, queue_name)
        self._take, self._record = (
            acknowledged_script(redis, script(name), ack or Acknowledgement()) for name in ("take", "record")
        )
        self._release, self._tick, self._next, self._reconcile = (
            redis.register_script(script(name)) for name in ("release", "tick", "next", "reconcile")
        )

    def next(self, left_alone: Collection[str] = ()) -> Popped | None:
        """The job whose lane has its turn, of the lanes that are not to be left alone; None without any."""
        keys = [self._keys.queue, self._keys.intermediate, LANES_KEY, queue.QUEUES_KEY, PAUSED_KEY]
        while True:
            answer = self._next(keys=keys, args=[queue.JOB_PREFIX, SORT_MOST, *left_alone])
            if isinstance(answer, list):
                return Popped(answer[0], answer[1], answer[2].decode(errors="replace"))
            if answer == 0:
                return None

    def take(self, token: str, lease_ms: int, event_ids: Sequence[str], *, execution: str) -> Taken:
        """Lease these events, but those of a paused source."""
        now, lanes, *answers = self._take(
            keys=[LEASE_PREFIX + token, self._keys.started, GRACE_KEY, PAUSED_KEY],
            args=[
                token,
                lease_ms,
                EVENT_PREFIX,
                LEASE_PREFIX,
                execution,
                lease_ms + STARTED_LONGER_MS,
                *event_ids,
            ],
        )
        return Taken(int(now), frozenset(text(lanes)), [_taken(answer) for answer in answers])

    def keep(self, token: str, lease_ms: int, execution: str, now_ms: int) -> None:
        """Keep this owner's leases and its RQ execution alive for so long; `now_ms` is Redis's time."""
        until_seconds = (now_ms + lease_ms + STARTED_LONGER_MS) / 1000
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.set(LEASE_PREFIX + token, 1, px=lease_ms)
            pipeline.zadd(self._keys.started, {execution: until_seconds}, xx=True)
            pipeline.execute()

    def lives(self, token: str) -> bool:
        """Whether the owner of this token still keeps its leases."""
        return bool(self.redis.exists(LEASE_PREFIX + token))

    def record(self, token: str, changes: Sequence[Change], jobs: Iterable[queue.Job] = ()) -> list[str]:
        """Write these changes, and enqueue these jobs with them; the ids whose lease was lost come back."""
        arguments: list[Any] = [
            token,
            EVENT_PREFIX,
            queue.JOB_PREFIX,
            self.queue_name,
            queue.iso(),
            len(changes),
        ]
        for change in changes:
            arguments += change.arguments()
        for job in jobs:
            arguments += (job.id, job.data, job.description, job.lane, job.due_seconds)
        keys = [self._keys.queue, self._keys.scheduled, queue.QUEUES_KEY, OPEN_KEY]
        return text(self._record(keys=keys, args=arguments))

    def release(
        self, token: str, event_ids: Sequence[str], *, death: str = "", in_seconds: int = 0
    ) -> list[str]:
        """End an owner's leases and enqueue each of its events alone; `death` says why its process died."""
        arguments: list[Any] = [
            token,
            EVENT_PREFIX,
            queue.JOB_PREFIX,
            self.queue_name,
            queue.iso(),
            death,
            in_seconds,
        ]
        for event_id in event_ids:
            job = queue.job([event_id])
            arguments += (event_id, job.id, job.data, job.description)
        keys = [LEASE_PREFIX + token, self._keys.queue, queue.QUEUES_KEY, self._keys.scheduled]
        return text(self._release(keys=keys, args=arguments))

    def tick(self) -> tuple[int, int] | None:
        """The every-second work: (due jobs enqueued, jobs of dead workers enqueued).

        None when another worker did it within the last second.
        """
        keys = [
            TICK_KEY,
            self._keys.queue,
            self._keys.intermediate,
            self._keys.started,
            self._keys.scheduled,
            STUCK_KEY,
            GRACE_KEY,
            queue.WORKERS_KEY,
            self._keys.workers,
        ]
        arguments: list[Any] = [queue.PREFIX, TICK_MS, STUCK_MS, TICK_MOST, OUTAGE_MS, GRACE_MS]
        answer = self._tick(keys=keys, args=arguments)
        return None if answer is None else (int(answer[0]), int(answer[1]))

    def reconcile(self, event_ids: Sequence[str]) -> list[str]:
        """Enqueue what nobody runs of these events, which no job names; gives their ids."""
        lost: list[str] = []
        for group in batches(event_ids, queue.GROUP_EVENTS):
            job = queue.job(group)
            answer = self._reconcile(
                keys=[self._keys.queue, queue.QUEUES_KEY, GRACE_KEY, OPEN_KEY],
                args=[
                    EVENT_PREFIX,
                    LEASE_PREFIX,
                    queue.JOB_PREFIX,
                    self.queue_name,
                    queue.iso(),
                    job.id,
                    job.data,
                    job.description,
                    job.lane,
                    *group,
                ],
            )
            lost += text(answer)
        return lost

    def enqueue_again(self, job_ids: Sequence[str]) -> list[str]:
        """Enqueue these jobs, those that there still are; gives their ids."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.exists(queue.JOB_PREFIX + job_id)
            found = pipeline.execute()
            for job_id, is_there in zip(job_ids, found, strict=True):
                if is_there:
                    pipeline.rpush(self._keys.queue, job_id)
                else:
                    pipeline.srem(JOBS_KEY, job_id)
            pipeline.execute()
        return [job_id for job_id, is_there in zip(job_ids, found, strict=True) if is_there]


def _flat(tuples: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    return itertools.chain.from_iterable(tuples)


def _taken(answer: Any) -> dict[str, bytes] | Paused | int | None:
    if answer is None or isinstance(answer, int):
        return answer
    if isinstance(answer, bytes):
        return Paused(answer.decode())
    return {answer[i].decode(): answer[i + 1] for i in range(0, len(answer), 2)}
