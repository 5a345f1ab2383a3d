"""Writes runs to the ledger as they end, and keeps the leases alive, in a thread of its own.

A thread, so that an action that blocks the event loop holds up neither the records of its siblings nor
the heartbeat. Records are gathered for 10 ms at most.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog
from redis import RedisError

from hookline.about import about_events
from hookline.connections import is_unavailable
from hookline.queue import job
from hookline.store import Change, Store

LEASE_SECONDS = 10.0
BEAT_SECONDS = 2.0
GATHER_SECONDS = 0.010
RECONNECT_SECONDS = 0.5
ORPHAN_SECONDS = 60.0
"""How long a process whose parent has died waits for Redis: nobody would ever end it."""
EXIT_BLOCKED = 75
"""Exit status of a process whose event loop an action blocked past its time."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """A change, and where and when the event is to be processed again, if it is."""

    change: Change
    again: tuple[tuple[str, int], ...] = ()
    """In which lanes, and from which Unix time on; 0 is at once."""


class Recorder:
    """Use as a context manager: leaving it writes everything that was put, however long Redis is away."""

    def __init__(
        self,
        store: Store,
        *,
        token: str,
        execution: str,
        now_ms: Callable[[], int],
        blocked_by: Callable[[], tuple[str, str] | None] = lambda: None,
    ) -> None:
        self._store, self._token, self._execution = store, token, execution
        self._now_ms, self._blocked_by = now_ms, blocked_by
        self._records: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._next_beat = time.monotonic() + BEAT_SECONDS
        self._failure: Exception | None = None
        self._parent = os.getppid()
        self.lost: set[str] = set()
        """Events that another owner has by now: nothing more should be done about them here."""
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._records.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def put(self, record: Record) -> None:
        """Write this soon; from any thread."""
        self._records.put(record)

    def write(self, records: list[Record]) -> None:
        """Write these now, and come back when Redis has them."""
        again: dict[tuple[str, int], list[str]] = defaultdict(list)
        changes: dict[str, Change] = {}
        for record in records:
            known = changes.setdefault(record.change.event_id, record.change)
            if known is not record.change:
                known.follow_with(record.change)
            for place in record.again:
                again[place].append(record.change.event_id)
        jobs = [job(ids, lane=lane, due_seconds=due) for (lane, due), ids in again.items()]
        lost, tries = self._patiently(
            lambda: self._store.record(self._token, list(changes.values()), jobs), list(changes)
        )
        self.lost.update(lost)
        if lost and tries == 1:  # a try whose answer was lost may have done it, and released them
            log.warning("another worker has taken these events over; not recorded here", **about_events(lost))

    def _work(self) -> None:
        try:
            open_ = True
            while open_:
                records, open_ = self._gather()
                if records:
                    self.write(records)
                if time.monotonic() >= self._next_beat:
                    self._beat()
        except Exception as error:  # carried to the job, which then fails and is tried again
            self._failure = error

    def _gather(self) -> tuple[list[Record], bool]:
        """What came within 10 ms of the first, and whether more can come."""
        records: list[Record] = []
        until = self._next_beat
        while True:
            try:
                record = self._records.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return records, True
            if record is None:
                return records, False
            if not records:
                until = time.monotonic() + GATHER_SECONDS
            records.append(record)

    def _beat(self) -> None:
        self._next_beat = time.monotonic() + BEAT_SECONDS
        culprit = self._blocked_by()
        if culprit is not None:
            event_id, action = culprit
            log.critical(
                "an action blocks the event loop, so its process ends", event_id=event_id, action=action
            )
            os._exit(EXIT_BLOCKED)
        self._patiently(self._keep)

    def _keep(self) -> None:
        self._store.keep(self._token, int(LEASE_SECONDS * 1000), self._execution, self._now_ms())

    def _patiently(self, call: Callable[[], T], event_ids: Sequence[str] = ()) -> tuple[T, int]:
        """What `call`, which is about these events, gives, and in how many tries."""
        since = time.monotonic()
        tries = 0
        while True:
            tries += 1
            try:
                return call(), tries
            except Exception as error:
                is_orphan = os.getppid() != self._parent and time.monotonic() - since > ORPHAN_SECONDS
                if is_orphan or not is_unavailable(error):
                    raise
                if tries == 1:
                    log.warning(
                        "redis is away; the ledger is written when it is back",
                        error=str(error),
                        **about_events(event_ids),
                    )
                time.sleep(RECONNECT_SECONDS)
                with contextlib.suppress(RedisError):  # it may only lack a replica, and the leases run out
                    self._keep()
