"""Whose turn it is to tell: of several consoles one alone, for as long as it lives.

While Redis is away nobody can ask: who had the turn last goes on, and so does one who has just begun.
"""

from __future__ import annotations

import contextlib
import os
import socket

from redis import RedisError

from hookline.store import Store
from hookline_console.alarms.keeping import LEASE_MS, end_turn, take_turn
from hookline_console.backend import Backend

AWAY = (RedisError, TimeoutError, OSError)
"""What keeps Redis from answering the alarms; for them it is away then, whatever the reason."""


class Turn:
    """`take` has to be called more often than every `LEASE_MS`."""

    def __init__(self, backend: Backend) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"
        self._backend = backend
        self._is_ours: bool | None = None
        self._back_at_ms: int | None = None

    async def take(self, at_ms: int) -> bool:
        """Whether it is ours now."""
        try:
            if self._is_ours is False and self._lets_another_begin(at_ms):
                await self._backend.ask(_ping)
            else:
                self._is_ours = await self._backend.ask(take_turn, self.owner)
        except AWAY:
            self._back_at_ms = None
            self._is_ours = self._is_ours is not False
        return bool(self._is_ours)

    async def end(self) -> None:
        """Let another one begin at once."""
        with contextlib.suppress(*AWAY):
            await self._backend.ask(end_turn, self.owner)

    def _lets_another_begin(self, at_ms: int) -> bool:
        """After an outage, for as long as whoever went on from memory may need to find that it is over."""
        if self._back_at_ms is None:
            self._back_at_ms = at_ms
        return at_ms - self._back_at_ms < LEASE_MS


def _ping(store: Store) -> None:
    store.redis.ping()
