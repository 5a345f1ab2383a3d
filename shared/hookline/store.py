"""Every Redis key that is Hookline's own, and the atomic steps on them (`lua/*.lua`).

| key | what |
| --- | --- |
| `hookline:event:<id>` | hash: the delivery as it came, its state, one `run:<action>` field a run |
| `hookline:events` | sorted set: ids by received_at in ms |
| `hookline:open` | set: ids of unfinished events |
| `hookline:dead` | sorted set: dead letters by when they died, in ms |
| `hookline:purge` | sorted set: finished events by when they may be purged, in ms |
| `hookline:dedupe:<source>:…` | hash: the id of the first by the hash of its key; lives for two windows |
| `hookline:lease:<token>` | string: lives while the owner of that token does |
| `hookline:counters` | hash: `received:<source>`, `repeated:<source>`, `open:<source>`, `done`, `dead` |
| `hookline:lanes` | sorted set: lanes of waiting jobs by when they had their last turn |
| `hookline:jobs` | set: ids of the RQ jobs that there are |
| `hookline:reconciler` | string: the worker that looks for what got lost |
| `hookline:tick`, `hookline:tick:last`, `hookline:stuck` | the every-second work of the workers |
| `hookline:grace` | lives for some seconds after Redis was away: no lease counts as over |
| `hookline:acknowledged` | what is written so that replicas, or the disk, can be waited for |
| `hookline:ready` | what a receiver writes to see whether Redis takes writes |
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.resources import files
from typing import Any, NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from hookline import queue
from hookline.acknowledged import Acknowledgement, acknowledged_async_script, acknowledged_script

EVENT_PREFIX = "hookline:event:"
LEASE_PREFIX = "hookline:lease:"
DEDUPE_PREFIX = "hookline:dedupe:"
EVENTS_KEY = "hookline:events"
OPEN_KEY = "hookline:open"
DEAD_KEY = "hookline:dead"
PURGE_KEY = "hookline:purge"
COUNTERS_KEY = "hookline:counters"
OPEN_COUNTER = "open:"
"""With a source's name behind it: how many of its events are unfinished."""
TICK_KEY = "hookline:tick"
STUCK_KEY = "hookline:stuck"
GRACE_KEY = "hookline:grace"
LANES_KEY = "hookline:lanes"
JOBS_KEY = "hookline:jobs"
RECONCILER_KEY = "hookline:reconciler"

DEDUPE_SHARDS = 1024
"""Dedupe keys are spread over so many hashes, which Redis keeps compact up to 128 fields each."""
BEHIND_JOBS = 8
"""More jobs waiting than this: the workers are behind."""
SORT_MOST = 500
TICK_MS = 900
STUCK_MS = 4_000
TICK_MOST = 500
OUTAGE_MS = 3_000
GRACE_MS = 5_000
STARTED_LONGER_MS = 250
"""By how much RQ's entry of a started job outlives the lease, so that with the job one gets its events."""


def _script(name: str) -> str:
    """The script of this name, after what all of them share."""
    folder = files("hookline").joinpath("lua")
    return "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in ("job", name))


def new_event_id(now_ms: int) -> str:
    """24 hex digits that sort by time: 12 of milliseconds, 12 random."""
    return f"{now_ms:012x}{os.urandom(6).hex()}"


class RawEvent(NamedTuple):
    """A verified delivery on its way into Redis."""

    id: str
    source: str
    provider: str
    received_at_ms: int
    dedupe_key: str
    dedupe_window_ms: int
    headers: bytes
    """JSON: a list of [name, value], secrets struck out."""
    body: bytes


class Popped(NamedTuple):
    """A job that is on its way from a lane to a worker."""

    job_id: str
    data: bytes | None
    """None when there is no such job any more, or none of ours."""
    lane: str


@dataclass(slots=True)
class Change:
    """What to write to one event that the writer holds the lease of."""

    event_id: str
    fields: dict[str, str] = field(default_factory=dict)
    state: str = ""
    """`done` and `dead` finish the event, `retrying` and `queued` release it, empty keeps it leased."""
    purge_at_ms: int = 0

    def follow_with(self, later: Change) -> None:
        """Let this one be both, written in one step."""
        self.fields |= later.fields
        self.state = later.state or self.state
        self.purge_at_ms = later.purge_at_ms or self.purge_at_ms


class CommitScript:
    """The receiver's one write: a whole group in one call."""

    def __init__(self, redis: AsyncRedis, queue_name: str, ack: Acknowledgement | None = None) -> None:
        self._script = acknowledged_async_script(redis, _script("commit"), ack or Acknowledgement())
        keys = queue.QueueKeys(queue_name)
        self._queue_name, self._queue_key = queue_name, keys.queue

    async def __call__(self, events: Sequence[RawEvent], *, again: bool = False) -> tuple[int, list[str]]:
        """How many jobs wait now, and for each event the id under which it is stored.

        That is another id than its own when the event was seen before. Calling it again with the same
        events, after an answer was lost, changes nothing; `again` says that this may be one of those calls,
        and as late as after the dedupe window.
        """
        jobs = _jobs(events)
        arguments: list[Any] = [
            EVENT_PREFIX,
            queue.JOB_PREFIX,
            self._queue_name,
            queue.iso(),
            BEHIND_JOBS,
            "again" if again else "",
            len(jobs),
        ]
        for job in jobs:
            arguments += (job.id, job.data, job.description, job.lane)
        for event in events:
            arguments += (
                event.id,
                *_dedupe_bucket(event),
                event.dedupe_window_ms,
                event.source,
                event.provider,
                event.received_at_ms,
                event.headers,
                event.body,
            )
        keys = [EVENTS_KEY, COUNTERS_KEY, self._queue_key, queue.QUEUES_KEY, OPEN_KEY, LANES_KEY]
        waiting, *ids = await self._script(keys=keys, args=arguments)
        return int(waiting), text(ids)


class Store:
    """The worker's and the command line's side of the same keys. `redis` must not decode responses."""

    def __init__(
        self, redis: Redis, queue_name: str = "hookline", ack: Acknowledgement | None = None
    ) -> None:
        self.redis = redis
        self.queue_name = queue_name
        self._keys = queue.QueueKeys(queue_name)
        self._take, self._record = (
            acknowledged_script(redis, _script(name), ack or Acknowledgement()) for name in ("take", "record")
        )
        self._release, self._tick, self._replay, self._next, self._reconcile = (
            redis.register_script(_script(name))
            for name in ("release", "tick", "replay", "next", "reconcile")
        )

    def next(self, left_alone: Collection[str] = ()) -> Popped | None:
        """The job whose lane has its turn, of the lanes that are not to be left alone; None without any."""
        keys = [self._keys.queue, self._keys.intermediate, LANES_KEY, queue.QUEUES_KEY]
        while True:
            answer = self._next(keys=keys, args=[queue.JOB_PREFIX, SORT_MOST, *left_alone])
            if isinstance(answer, list):
                return Popped(answer[0].decode(), answer[1], answer[2].decode())
            if answer == 0:
                return None

    def take(
        self, token: str, lease_ms: int, event_ids: Sequence[str], *, execution: str
    ) -> tuple[int, list[dict[str, bytes] | int | None]]:
        """Lease these events.

        Gives Redis's time in ms, and for each event its fields, or the ms for which another owner's lease
        holds at the least, or None when there is nothing to do.
        """
        now, *answers = self._take(
            keys=[LEASE_PREFIX + token, self._keys.started, GRACE_KEY],
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
        return int(now), [_taken(answer) for answer in answers]

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
            arguments += (change.event_id, change.state, change.purge_at_ms, len(change.fields))
            for name, value in change.fields.items():
                arguments += (name, value)
        for job in jobs:
            arguments += (job.id, job.data, job.description, job.lane, job.due_seconds)
        keys = [
            DEAD_KEY,
            PURGE_KEY,
            COUNTERS_KEY,
            self._keys.queue,
            self._keys.scheduled,
            queue.QUEUES_KEY,
            OPEN_KEY,
        ]
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

    def tick(self) -> tuple[int, int, int] | None:
        """The every-second work: (due jobs enqueued, jobs of dead workers enqueued, events purged).

        None when another worker did it within the last second.
        """
        keys = [
            TICK_KEY,
            self._keys.queue,
            self._keys.intermediate,
            self._keys.started,
            self._keys.scheduled,
            STUCK_KEY,
            EVENTS_KEY,
            DEAD_KEY,
            PURGE_KEY,
            GRACE_KEY,
            queue.WORKERS_KEY,
            self._keys.workers,
        ]
        arguments: list[Any] = [queue.PREFIX, EVENT_PREFIX, TICK_MS, STUCK_MS, TICK_MOST, OUTAGE_MS, GRACE_MS]
        answer = self._tick(keys=keys, args=arguments)
        return None if answer is None else (int(answer[0]), int(answer[1]), int(answer[2]))

    def reconcile(self, event_ids: Sequence[str]) -> list[str]:
        """Enqueue what nobody runs of these events, which no job names; gives their ids."""
        lost: list[str] = []
        for group in _batches(event_ids, queue.GROUP_EVENTS):
            job = queue.job(group)
            answer = self._reconcile(
                keys=[self._keys.queue, queue.QUEUES_KEY, GRACE_KEY],
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

    def replay(self, event_ids: Sequence[str], action: str = "") -> list[str]:
        """Put finished events back to run again, all their actions or one; gives the ids that will run."""
        replayed: list[str] = []
        for group in _batches(event_ids, queue.GROUP_EVENTS):
            job = queue.job(group, lane=queue.REPLAY_LANE)
            answer = self._replay(
                keys=[
                    DEAD_KEY,
                    PURGE_KEY,
                    self._keys.queue,
                    queue.QUEUES_KEY,
                    OPEN_KEY,
                    COUNTERS_KEY,
                ],
                args=[
                    EVENT_PREFIX,
                    queue.JOB_PREFIX,
                    self.queue_name,
                    queue.iso(),
                    now_ms(),
                    action,
                    job.id,
                    job.data,
                    job.description,
                    job.lane,
                    *group,
                ],
            )
            replayed += text(answer)
        return replayed

    def fields(self, event_id: str) -> dict[str, bytes]:
        """Everything that is stored of one event; empty when there is none of this id."""
        return named(self.redis.hgetall(EVENT_PREFIX + event_id))

    def waiting_jobs(self) -> int:
        """How many jobs wait, in the queue or in a lane."""
        lanes = text(self.redis.zrange(LANES_KEY, 0, -1))
        return sum(int(self.redis.llen(key)) for key in (self._keys.queue, *map(self._keys.lane, lanes)))


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _jobs(events: Sequence[RawEvent]) -> list[queue.Job]:
    """The job for all of these, and where they are of several sources, one for each source besides."""
    by_source: dict[str, list[str]] = {}
    for event in events:
        by_source.setdefault(event.source, []).append(event.id)
    each = [queue.job(ids, lane=source) for source, ids in by_source.items()]
    return each if len(each) == 1 else [queue.job([event.id for event in events]), *each]


def _dedupe_bucket(event: RawEvent) -> tuple[str, bytes]:
    """The prefix of the buckets to look in for the event's dedupe key, and the field that stands for it."""
    field_name = blake2b(event.dedupe_key.encode(), digest_size=12).digest()
    shard = int.from_bytes(field_name[:2]) % DEDUPE_SHARDS
    return f"{DEDUPE_PREFIX}{event.source}:{event.dedupe_window_ms}:{shard}:", field_name


def _batches(items: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """The items in their order, in slices of at most so many."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def _taken(answer: Any) -> dict[str, bytes] | int | None:
    if answer is None or isinstance(answer, int):
        return answer
    return {answer[i].decode(): answer[i + 1] for i in range(0, len(answer), 2)}


def named(fields: Any) -> dict[str, bytes]:
    """A hash as Redis gives it, its names as text."""
    return {name.decode(): value for name, value in fields.items()}


def text(answer: Any) -> list[str]:
    """A list of byte strings as Redis gives it, as text."""
    return [item.decode() for item in answer]
