"""Brings to Redis what this process has counted, each second, and now and then how it stands.

What was counted is sent until Redis has it, under a number by which Redis knows what it has already.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from itertools import count
from typing import Any

import structlog
from pydantic_core import to_json
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import is_unavailable
from hookline.figures.processes import receiver_fields
from hookline.keys import MINUTE_PREFIX, RECEIVER_PREFIX, RECEIVERS_KEY, REJECTED_PREFIX, TALLY_PREFIX
from hookline.operations import now_ms
from hookline.printable import one_line
from hookline.references import strike_out
from hookline.scripts import script
from hookline_receiver.secret_ages import note_secrets
from hookline_receiver.standing import Standing
from hookline_receiver.tally import LATEST, Counted, Rejected, Tally

LOOK_SECONDS = 1.0
REPORT_SECONDS = 5.0
REPORT_MS = 15_000
"""A receiver that has said nothing for so long is gone."""
NAME_MS = 600_000
"""Its name is kept for longer than clocks are apart, and not so long that a crash loop leaves many."""
NUMBER_SECONDS = 3600
TIMEOUT_SECONDS = 2.0
SIGN_OFF_SECONDS = 1.0
MOST_CHARACTERS = 200

log = structlog.get_logger(__name__)


class Reporter:
    """Of one process."""

    def __init__(
        self, redis: AsyncRedis, tally: Tally, standing: Standing, digests: Mapping[str, bytes]
    ) -> None:
        """`digests` stands for the secrets of each source that has some."""
        self._redis, self._tally, self._standing = redis, tally, standing
        self._digests = dict(digests)
        self._flush = redis.register_script(script("flush"))
        self._numbers = count(1)
        self._unsent: list[Any] = []
        self._report_at = 0.0
        self._is_told = False

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    await self._look()
                self._is_told = False
            except Exception as error:  # this task must not end; away is told by whoever commits
                self._tell(error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        await self.flush()
        if time.monotonic() >= self._report_at:
            await self._report()
            self._report_at = time.monotonic() + REPORT_SECONDS
        if self._digests:
            await note_secrets(self._redis, self._digests)
            self._digests.clear()

    async def flush(self) -> None:
        """Bring to Redis what was counted. What it doesn't take is kept for the next time."""
        if not self._unsent:
            counted = self._tally.take()
            if not counted.totals:
                return
            self._unsent = [next(self._numbers), NUMBER_SECONDS, *_arguments(counted)]
        await self._flush(keys=[TALLY_PREFIX + self._standing.name], args=self._unsent)
        self._unsent = []

    async def sign_off(self) -> None:
        """Bring what is left, and take the report back; where Redis is away, both are given up."""
        with contextlib.suppress(Exception):  # whatever Redis says, we are leaving
            async with asyncio.timeout(SIGN_OFF_SECONDS):
                await self.flush()  # what was under way
                await self.flush()
                async with self._redis.pipeline() as pipeline:
                    name = self._standing.name
                    pipeline.delete(RECEIVER_PREFIX + name, TALLY_PREFIX + name)
                    pipeline.zrem(RECEIVERS_KEY, name)
                    await pipeline.execute()

    async def _report(self) -> None:
        key, now = RECEIVER_PREFIX + self._standing.name, now_ms()
        fields: dict[Any, Any] = dict(receiver_fields(await self._standing.look()))
        async with self._redis.pipeline() as pipeline:
            pipeline.hset(key, mapping=fields)
            pipeline.pexpire(key, REPORT_MS)
            pipeline.zadd(RECEIVERS_KEY, {self._standing.name: now})
            pipeline.zremrangebyscore(RECEIVERS_KEY, "-inf", now - NAME_MS)
            await pipeline.execute()

    def _tell(self, error: Exception) -> None:
        """Once, until all is well again."""
        if self._is_told or isinstance(error, TimeoutError) or is_unavailable(error):
            return
        self._is_told = True
        log.exception("what the receiver has counted cannot be written to redis")


def _arguments(counted: Counted) -> list[Any]:
    """As flush.lua takes them, after the number."""
    by_minute = [
        (f"{MINUTE_PREFIX}{number}", name, n)
        for number, counts in counted.minutes.items()
        for name, n in counts.items()
    ]
    latest = [
        (REJECTED_PREFIX + source, _row(rejected))
        for source, those in counted.latest.items()
        for rejected in those
    ]
    return [
        *(len(counted.totals), *(part for each in counted.totals.items() for part in each)),
        *(len(by_minute), *(part for each in by_minute for part in each)),
        *(LATEST, *(part for each in latest for part in each)),
    ]


def _row(rejected: Rejected) -> bytes:
    """A refused delivery as it is kept: nothing in it can harm a terminal, or is a secret of ours."""
    why, peer = (one_line(strike_out(told))[:MOST_CHARACTERS] for told in (rejected.why, rejected.peer or ""))
    return to_json({"at": rejected.at_ms, "reason": why, "peer": peer})
