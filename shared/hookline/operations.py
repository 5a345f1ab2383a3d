"""What an operator does to what is stored: look at it, replay it, purge it, pause what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from redis import Redis

from hookline import queue
from hookline.keys import EVENT_PREFIX, EVENTS_PREFIX, INDEX_KEY, LANES_KEY, OPEN_KEY, PAUSED_KEY
from hookline.lanes import REPLAY_LANE
from hookline.scripts import script

PURGED_AT_ONCE = 100


class Operations:
    """The steps that a person takes. `redis` must not decode responses."""

    def __init__(self, redis: Redis, queue_name: str = "hookline") -> None:
        self.redis = redis
        self.queue_name = queue_name
        self._keys = queue.QueueKeys(queue_name)
        self._replay, self._purge = (redis.register_script(script(name)) for name in ("replay", "purge"))

    def replay(self, event_ids: Sequence[str], action: str = "") -> list[str]:
        """Put finished events back to run again, all their actions or one; gives the ids that will run."""
        replayed: list[str] = []
        for group in batches(event_ids, queue.GROUP_EVENTS):
            job = queue.job(group, lane=REPLAY_LANE)
            answer = self._replay(
                keys=[self._keys.queue, queue.QUEUES_KEY, OPEN_KEY],
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

    def purge(self, event_ids: Sequence[str], *, source: str = "") -> list[str]:
        """Delete those of these events that are finished; gives their ids.

        With their `source` given, ids are forgotten of which nothing else is stored any more.
        """
        purged: list[str] = []
        for group in batches(event_ids, PURGED_AT_ONCE):
            purged += text(self._purge(args=[EVENT_PREFIX, source, *group]))
        return purged

    def pause(self, lane: str) -> bool:
        """Let what is in this lane wait from now on; False when it does already. See `hookline.lanes`."""
        return bool(self.redis.hsetnx(PAUSED_KEY, lane, str(now_ms())))

    def resume(self, lane: str) -> bool:
        """Let what is in this lane go on; False when it wasn't paused."""
        return bool(self.redis.hdel(PAUSED_KEY, lane))

    def paused(self) -> dict[str, int]:
        """The paused lanes by since when, in ms."""
        lanes: Any = self.redis.hgetall(PAUSED_KEY)
        return {lane.decode(): int(since) for lane, since in lanes.items()}

    def index_names(self) -> set[str]:
        """Each `<source>/<type>` of which there are events."""
        return set(text(self.redis.smembers(INDEX_KEY)))

    def sources(self) -> list[str]:
        """The sources of which events are stored, by name."""
        return sorted({name.partition("/")[0] for name in self.index_names()})

    def event_ids(self, since_ms: int | None = None) -> list[str]:
        """Every stored event, or those received since then, in the order of receipt."""
        low: int | str = "-inf" if since_ms is None else since_ms
        names = self.index_names()
        while True:
            with self.redis.pipeline(transaction=True) as pipeline:
                pipeline.smembers(INDEX_KEY)
                for name in names:
                    pipeline.zrangebyscore(EVENTS_PREFIX + name, low, "+inf", withscores=True)
                members, *found = pipeline.execute()
            if (by_now := set(text(members))) <= names:  # else an event may have moved to a new one
                break
            names = by_now
        rows = [row for each in found for row in each]
        return [event_id.decode() for _, event_id in sorted((score, event_id) for event_id, score in rows)]

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


def redis_ms(answer: Any) -> int:
    """Redis's time in milliseconds since 1970, from what it answers to TIME."""
    seconds, microseconds = answer
    return int(seconds) * 1000 + int(microseconds) // 1000


def batches(items: Iterable[str], most: int) -> Iterator[list[str]]:
    """The items in their order, at most so many at a time."""
    remaining = iter(items)
    while batch := list(islice(remaining, most)):
        yield batch


def named(fields: Any) -> dict[str, bytes]:
    """A hash as Redis gives it, its names as text."""
    return {name.decode(): value for name, value in fields.items()}


def text(answer: Any) -> list[str]:
    """A list of byte strings as Redis gives it, as text."""
    return [item.decode() for item in answer]
