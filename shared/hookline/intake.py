"""The receiver's one write: verified deliveries become events, a whole group in one atomic step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from redis.asyncio import Redis as AsyncRedis

from hookline import queue
from hookline.acknowledged import Acknowledgement, acknowledged_async_script
from hookline.keys import COUNTERS_KEY, DEDUPE_PREFIX, EVENT_PREFIX, LANES_KEY, OPEN_KEY, PAUSED_KEY
from hookline.operations import text
from hookline.scripts import script

DEDUPE_SHARDS = 1024
"""Dedupe keys are spread over so many hashes, which Redis keeps compact up to 128 fields each."""
BEHIND_JOBS = 8
"""More jobs waiting than this: the workers are behind."""


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
    trace: str = ""
    """The W3C `traceparent` under which its runs are traced; empty where they are not."""


class CommitScript:
    """The receiver's one write: a whole group in one call."""

    def __init__(self, redis: AsyncRedis, queue_name: str, ack: Acknowledgement | None = None) -> None:
        self._script = acknowledged_async_script(redis, script("commit"), ack or Acknowledgement())
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
                event.trace,
            )
        keys = [self._queue_key, queue.QUEUES_KEY, OPEN_KEY, LANES_KEY, PAUSED_KEY, COUNTERS_KEY]
        waiting, *ids = await self._script(keys=keys, args=arguments)
        return int(waiting), text(ids)


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
