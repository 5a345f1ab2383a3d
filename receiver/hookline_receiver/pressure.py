"""Back-pressure: what Redis has, looked at once a second, and whose deliveries it has enough of.

There are two limits: on unfinished events, which every source has its share of, and on Redis's memory, which
has to be kept to before Redis keeps to it by refusing the workers' writes as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import is_unavailable
from hookline.keys import COUNTERS_KEY, OPEN_COUNTER, OPEN_KEY
from hookline.settings import Receiver
from hookline.shares import may_take
from hookline_receiver.detour import NOTHING, Detour, Hold

LOOK_SECONDS = 1.0
RELIEF = 0.95
"""What is over its limit has to fall so far below it, so that it doesn't begin and end every second."""

log = structlog.get_logger(__name__)


class Load(NamedTuple):
    """What Redis has."""

    unfinished: int = 0
    shares: tuple[int, ...] = ()
    """Of the unfinished events, how many each source has."""
    used_memory: int = 0
    max_memory: int = 0
    """0 where there is no limit, or the server doesn't tell."""


class Pressure:
    """Puts what it finds into `detour.hold`, which holds until the next look."""

    def __init__(self, redis: AsyncRedis, settings: Receiver, sources: Sequence[str], detour: Detour) -> None:
        self._redis = redis
        self._settings = settings
        self._sources = tuple(sources)
        self._detour = detour
        self._is_blind = False

    async def watch(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look now. While Redis is away, what was found before holds."""
        try:
            load = await self._load()
        except Exception as error:  # this task must not end; away is told by whoever commits
            if not self._is_blind and not is_unavailable(error):
                self._is_blind = True
                log.exception("the limits of redis cannot be looked at")
            return
        self._is_blind = False
        before, now = self._detour.hold, self._judge(load)
        self._detour.hold = now
        _tell(before, now, load)

    def _judge(self, load: Load) -> Hold:
        before = self._detour.hold.sources
        most = self._settings.max_waiting_events
        reason = self._reason(load)
        over = frozenset(
            source
            for source, own in zip(self._sources, load.shares, strict=False)
            if not may_take(own, load.unfinished, most * RELIEF if source in before else most)
        )
        return Hold(over, reason) if over or reason else NOTHING

    def _reason(self, load: Load) -> str:
        relief = RELIEF if self._detour.hold.reason else 1.0
        if load.unfinished >= self._settings.max_waiting_events * relief:
            return "receiver.max_waiting_events"
        percent = self._settings.max_redis_memory_percent * relief
        if load.max_memory and load.used_memory >= load.max_memory * percent / 100:
            return "receiver.max_redis_memory_percent"
        return ""

    async def _load(self) -> Load:
        """What Redis has, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.scard(OPEN_KEY)
            pipeline.hmget(COUNTERS_KEY, [OPEN_COUNTER + source for source in self._sources])
            pipeline.info("memory")
            unfinished, shares, memory = await pipeline.execute(raise_on_error=False)
        for answer in (unfinished, shares):
            if isinstance(answer, Exception):
                raise answer
        known: dict[str, Any] = memory if isinstance(memory, dict) else {}  # managed servers may refuse INFO
        return Load(
            int(unfinished),
            tuple(int(share or 0) for share in shares),
            int(known.get("used_memory", 0)),
            int(known.get("maxmemory", 0)),
        )


def _tell(before: Hold, now: Hold, load: Load) -> None:
    """Once when it begins, and once when it is over."""
    if now.reason and not before.reason:
        log.error(
            "redis has enough; deliveries are spooled, or refused without a spool",
            limit=now.reason,
            unfinished_events=load.unfinished,
            used_memory_bytes=load.used_memory,
        )
    elif before.reason and not now.reason:
        log.info("redis is below its limits again")
    for source in sorted(now.sources - before.sources):
        log.error(
            "a source has more than its share of the unfinished events; its deliveries are spooled, "
            "or refused without a spool",
            source=source,
        )
    for source in sorted(before.sources - now.sources):
        log.info("a source is within its share again", source=source)
