"""Deletes finished events that have been kept for long enough, or of which there are too many.

It looks at the ends of sorted sets, so that an event costs the same however many are stored.
"""

from __future__ import annotations

import math
import time
from typing import Literal

import structlog

from hookline.keys import DEAD_PREFIX, DONE_PREFIX
from hookline.operations import redis_ms, text
from hookline.retention import kept
from hookline.settings import Settings
from hookline.store import Store

TURN_SECONDS = 0.05
AT_ONCE = 500
TELL_SECONDS = 60.0
"""The log has one line for so long: where events come all the time, some are due every second."""

log = structlog.get_logger(__name__)


class Purger:
    """A chore: `work` deletes for 50 ms or so."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._last = ""
        self._untold, self._told_at = 0, -math.inf

    def work(self) -> None:
        """Delete what is due, or begin to."""
        began = time.monotonic()
        until = began + TURN_SECONDS
        purged, more = self._look(until)
        while more and time.monotonic() < until:
            again, more = self._look(until)
            purged += again
        self._untold += purged
        if self._untold and began - self._told_at >= TELL_SECONDS:
            log.info("finished events are purged", events=self._untold)
            self._untold, self._told_at = 0, began

    def _look(self, until: float) -> tuple[int, bool]:
        """How many were deleted of what is due, 500 of each source and state; whether there may be more."""
        now_ms = redis_ms(self._store.redis.time())  # by which events finish
        purged, more = 0, False
        # behind the last one, as there may be no time for all of them
        for source in sorted(self._store.sources(), key=lambda source: (source <= self._last, source)):
            self._last = source
            due = [*self._due(source, "done", DONE_PREFIX + source, now_ms)]
            due += self._due(source, "dead", DEAD_PREFIX + source, now_ms)
            if due:
                purged += len(self._store.purge(due, source=source))
                more = more or len(due) >= AT_ONCE
            if time.monotonic() > until:
                break
        return purged, more

    def _due(self, source: str, state: Literal["done", "dead"], key: str, now_ms: int) -> list[str]:
        """The oldest of those that finished in this state, as far as they are to be kept no longer."""
        wanted = kept(self._settings, source, state)
        with self._store.redis.pipeline(transaction=False) as pipeline:
            pipeline.zrangebyscore(key, "-inf", now_ms - wanted.milliseconds, start=0, num=AT_ONCE)
            pipeline.zcard(key)
            old, stored = pipeline.execute()
        if not old and wanted.most is not None and stored > wanted.most:
            old = self._store.redis.zrange(key, 0, min(stored - wanted.most, AT_ONCE) - 1)
        return text(old)
