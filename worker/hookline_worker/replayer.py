"""Feeds bulk replays: puts their events back to run, and never more of them than the workers soon do.

The others stay as they are, finished, so a bulk replay can be paused or cancelled at any time. The jobs wait
in the lane of replays, which has its turn like any source's.
"""

from __future__ import annotations

import secrets
import time

from hookline import queue
from hookline.keys import EVENT_PREFIX, OPEN_KEY, REPLAY_PREFIX, REPLAYS_KEY
from hookline.lanes import REPLAY_LANE
from hookline.operations import text
from hookline.replays import KEPT_MS
from hookline.scripts import script
from hookline.store import Store

JOBS_A_WORKER = 32
"""With so many jobs waiting for each worker, no more are made: it looks again in a second."""
PART_OF_THE_UNFINISHED = 0.5
"""Nor with so many events unfinished, as a part of those beyond which receivers refuse deliveries: what is
put back may fail again, or find its action paused, and wait for long without a job that is counted above."""
JOBS_A_TURN = 8
TURN_SECONDS = 0.05
MADE_UP_FOR_MS = 3_000
"""One that is held to a rate makes up for what it did not do within so long, and not for more."""


class Replayer:
    """A chore: `work` feeds those that run. Another worker may go on at any moment, or at the same time."""

    def __init__(self, store: Store, queue_name: str, max_waiting_events: int) -> None:
        self._redis = store.redis
        self._most_unfinished = max_waiting_events * PART_OF_THE_UNFINISHED
        self._queue_name, self._keys = queue_name, queue.QueueKeys(queue_name)
        self._feed = self._redis.register_script(script("feed"))

    def work(self) -> None:
        """Feed each one that runs in turn, for 50 ms or so."""
        until = time.monotonic() + TURN_SECONDS
        running = self._running()
        room = self._room() if running else 0
        while running and room > 0:
            for bulk_id in list(running):
                jobs = min(JOBS_A_TURN, room)
                fed = self.feed(bulk_id, jobs)
                room -= len(fed)
                if room <= 0 or time.monotonic() > until:
                    return
                if len(fed) < jobs:
                    running.remove(bulk_id)

    def feed(self, bulk_id: str, jobs: int) -> list[int]:
        """Put back so many jobs' worth of events of this one; how many each took off its list, if any."""
        key = REPLAY_PREFIX + bulk_id
        keys: list[str] = [key, f"{key}:ids", self._keys.queue, queue.QUEUES_KEY, OPEN_KEY]
        arguments: list[str | int] = [
            bulk_id,
            queue.GROUP_EVENTS,
            KEPT_MS,
            MADE_UP_FOR_MS,
            EVENT_PREFIX,
            queue.JOB_PREFIX,
            self._queue_name,
            queue.iso(),
            queue.FUNCTION,
            REPLAY_LANE,
        ]
        with self._redis.pipeline(transaction=False) as pipeline:  # so that they share one fsync
            pipeline.script_load(self._feed.script)  # redis-py would ask first, with a command of more rights
            for _ in range(jobs):
                pipeline.evalsha(self._feed.sha, len(keys), *keys, *arguments, secrets.token_hex(12))
            _, *taken = pipeline.execute()
        return [int(count) for count in taken if count]

    def _running(self) -> list[str]:
        """Those that are to be fed, the oldest first; what has expired is struck off the list."""
        ids = text(self._redis.zrange(REPLAYS_KEY, 0, -1))
        if not ids:
            return []
        with self._redis.pipeline(transaction=False) as pipeline:
            for bulk_id in ids:
                pipeline.hget(REPLAY_PREFIX + bulk_id, "state")
            states = pipeline.execute()
        expired = [bulk_id for bulk_id, state in zip(ids, states, strict=True) if state is None]
        if expired:
            self._redis.zrem(REPLAYS_KEY, *expired)
        return [bulk_id for bulk_id, state in zip(ids, states, strict=True) if state == b"running"]

    def _room(self) -> int:
        """How many more jobs may wait; those in the queue count, too: they are not sorted into lanes yet."""
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.llen(self._keys.queue)
            pipeline.llen(self._keys.lane(REPLAY_LANE))
            pipeline.scard(self._keys.workers)
            pipeline.scard(OPEN_KEY)
            unsorted, waiting, workers, unfinished = map(int, pipeline.execute())
        if unfinished >= self._most_unfinished:
            return 0
        return JOBS_A_WORKER * max(1, workers) - unsorted - waiting
