"""Finds what got lost: unfinished events that no job names, and jobs that are in no list of RQ's.

Nothing in Hookline loses any, but a person may delete a queue, and another program a key. What it reads
grows with what waits, not with what is stored.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import structlog
from pydantic_core import from_json

from hookline.about import about_events
from hookline.keys import JOBS_KEY, LANES_KEY, OPEN_KEY
from hookline.operations import text
from hookline.queue import JOB_PREFIX, QueueKeys
from hookline.store import Store

PERIOD_SECONDS = 2.0
"""Between two looks; what is missing in two of them, one after the other, is lost."""
REST = 20
"""A look that took long is followed by a rest so many times as long: it costs a worker 5 % at the most."""
TURN_SECONDS = 0.05
AT_ONCE = 500
WINDOW_EVENTS = 20_000
"""Unfinished events that are looked for at a time, or somewhat more."""
MOST_JOBS = 200_000
"""With more jobs than this waiting, none is looked for."""

log = structlog.get_logger(__name__)


class Reconciler:
    """A chore: `work` goes on with a look."""

    def __init__(self, store: Store, queue_name: str) -> None:
        self._store, self._redis = store, store.redis
        self._keys = QueueKeys(queue_name)
        self._look: Iterator[None] = iter(())
        self._next_look_at = 0.0
        self._spent_seconds = 0.0
        self._cursor = 0
        self._missing: set[str] = set()
        self._missing_jobs: set[str] = set()

    def work(self) -> None:
        """Go on with the look that is under way, or begin one when it is time; for 50 ms or so."""
        began_at = time.monotonic()
        if began_at < self._next_look_at:
            return
        for _ in self._look:
            if time.monotonic() - began_at > TURN_SECONDS:
                break
        else:
            self._next_look_at = began_at + max(PERIOD_SECONDS, REST * self._spent_seconds)
            self._spent_seconds = 0.0
            self._look = self._looking()
        self._spent_seconds += time.monotonic() - began_at

    def _looking(self) -> Iterator[None]:
        cursor, found = self._redis.sscan(OPEN_KEY, self._cursor, count=WINDOW_EVENTS)
        missing, jobs = set(text(found)), self._jobs()
        yield
        for job_ids in self._live_jobs():
            jobs.difference_update(job_ids)
            if missing:
                missing.difference_update(self._named_by(job_ids))
            yield
        self._enqueue_events(missing & self._missing)
        self._enqueue_jobs(jobs & self._missing_jobs)
        is_second = not missing.isdisjoint(self._missing)
        self._missing, self._missing_jobs = missing, jobs
        if not missing or is_second:  # else the same events once more
            self._cursor = int(cursor)

    def _jobs(self) -> set[str]:
        return (
            set(_text(self._redis.smembers(JOBS_KEY))) if self._redis.scard(JOBS_KEY) <= MOST_JOBS else set()
        )

    def _live_jobs(self) -> Iterator[list[str]]:
        """The ids of all jobs that RQ knows of, in the order in which they move on, so that none slips by."""
        keys, lists, sets = self._keys, self._redis.lrange, self._redis.zrange
        yield from _pages(sets, keys.scheduled)
        yield from _pages(lists, keys.queue)
        for lane in _text(sets(LANES_KEY, 0, -1)):
            yield from _pages(lists, keys.lane(lane))
        yield from _pages(lists, keys.intermediate)
        for members in _pages(sets, keys.started):
            yield [member.rpartition(":")[0] or member for member in members]

    def _named_by(self, job_ids: list[str]) -> Iterator[str]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for job_id in job_ids:
                pipeline.hget(JOB_PREFIX + job_id, "data")
            answers = pipeline.execute(raise_on_error=False)
        for data in answers:
            if isinstance(data, bytes):
                yield from _events_of(data)

    def _enqueue_events(self, lost: Collection[str]) -> None:
        enqueued = self._store.reconcile(sorted(lost))
        if enqueued:
            log.error("events that no job knew of are enqueued", **about_events(enqueued))

    def _enqueue_jobs(self, lost: Collection[str]) -> None:
        enqueued = self._store.enqueue_again(sorted(lost))
        if enqueued:
            log.error("jobs that were in no list are enqueued", jobs=len(enqueued), first=enqueued[0])


def _pages(read: Callable[[str, int, int], Any], key: str) -> Iterator[list[str]]:
    """What is at this key, half of each page again in the next, as some move up meanwhile."""
    for start in itertools.count(0, AT_ONCE // 2):
        members = _text(read(key, start, start + AT_ONCE - 1))
        yield members
        if len(members) < AT_ONCE:
            return


def _text(members: Any) -> list[str]:
    """As text, whatever anybody may have put there."""
    return [member.decode(errors="replace") for member in members]


def _events_of(data: bytes) -> list[str]:
    try:
        _, _, (event_ids,), _ = from_json(data)
    except (ValueError, TypeError):  # none of ours
        return []
    return [event_id for event_id in event_ids if isinstance(event_id, str)]
