"""Brings what was spooled into Redis, as soon as Redis takes it, by the same commit as everything else.

An event is committed under the id that it was answered with and removed from the spool only then, so a
crash in between commits it a second time, which changes nothing. One process at a time drains.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis as AsyncRedis

from hookline_receiver.commit import Commit
from hookline_receiver.detour import Detour, is_away, say
from hookline_receiver.health import try_write
from hookline_receiver.spool import Spool, SpoolError
from hookline_receiver.spool_record import Record

LOOK_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Drain:
    """Of one process; with several, whoever holds the lock drains, and all look whether Redis is back."""

    def __init__(
        self,
        spool: Spool,
        commit: Commit,
        redis: AsyncRedis,
        detour: Detour,
        *,
        timeout_seconds: float,
    ) -> None:
        self._spool = spool
        self._commit = commit
        self._redis = redis
        self._detour = detour
        self._timeout_seconds = timeout_seconds
        self._is_broken = False
        self._left: set[int] = set()
        """What Redis refuses whenever it is asked; it is tried again by the next process."""

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            try:
                await self.look()
                self._is_broken = False
            except Exception as error:  # this task must not end: what is spooled would stay there
                if not self._is_broken:
                    self._is_broken = True
                    log.error(
                        "the spool cannot be drained; it is tried again every second",
                        error=say(error),
                        exc_info=not isinstance(error, SpoolError),
                    )
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> int:
        """Drain what there is, if Redis takes commits; tells how many events were brought there."""
        if self._detour.is_away:
            try:
                await try_write(self._redis)
            except Exception:  # why is told already, by the commit that failed
                return 0
            self._detour.is_away = False
        if not (await self._spool.totals()).events or not await self._spool.lock_drain():
            return 0
        try:
            return await self._drain()
        finally:
            await self._spool.unlock_drain()

    async def _drain(self) -> int:
        count = 0
        while not self._detour.is_away and not self._detour.hold.reason and (brought := await self._step()):
            count += brought
        if not (await self._spool.totals()).events:
            await self._spool.shrink()
            log.info("the spool is drained", events=count)
        return count

    async def _step(self) -> int:
        """Bring one group; 0 when there is none, or Redis didn't take it."""
        records = await self._spool.oldest(self._detour.hold.sources, self._left)
        if not records:
            return 0
        try:
            await self._bring(records)
        except Exception as error:  # whatever Redis says, they stay where they are
            self._detour.redis_failed(error)
            return 0 if is_away(error) else await self._bring_each(records)
        await self._spool.forget(records)
        return len(records)

    async def _bring_each(self, records: Sequence[Record]) -> int:
        """Bring these one by one, and leave those behind that stand in the way of all others."""
        for record in records:
            try:
                await self._bring([record])
                await self._spool.forget([record])
            except SpoolError:
                raise
            except Exception as error:  # whatever Redis says, it stays where it is
                if is_away(error):
                    return 0
                self._left.add(record.seq)
                log.error(
                    "a spooled event cannot be committed; it stays in the spool",
                    event_id=record.event.id,
                    source=record.event.source,
                    error=say(error),
                )
        return len(records)

    async def _bring(self, records: Sequence[Record]) -> None:
        async with asyncio.timeout(self._timeout_seconds):
            _, ids = await self._commit([record.event for record in records])
        for record, event_id in zip(records, ids, strict=True):
            event = record.event
            log.debug(
                "spooled delivery committed",
                event_id=event.id,
                source=event.source,
                duplicate=event_id != event.id,
            )
        self._detour.redis_took()
