"""What one of the workers does for all, a little every second; another takes over when it has been silent."""

from __future__ import annotations

from typing import Protocol

import structlog
from redis import Redis

from hookline.connections import is_unavailable
from hookline.keys import RECONCILER_KEY

LEASE_MS = 10_000

log = structlog.get_logger(__name__)


class Chore(Protocol):
    """Something that has to be gone on with again and again."""

    def work(self) -> None:
        """Go on with it, for 50 ms or so at the most."""


class Chores:
    """`work` is called every second by every worker, and does nothing in all but one."""

    def __init__(self, redis: Redis, owner: str, *chores: Chore) -> None:
        self._redis, self._owner, self._chores = redis, owner, chores
        self._failing: set[Chore] = set()

    def work(self) -> None:
        """Go on with every chore, if they are this worker's."""
        if self._are_mine():
            for chore in self._chores:
                self._go_on_with(chore)

    def _go_on_with(self, chore: Chore) -> None:
        """What one of them comes upon must not keep the worker, nor the next one, from their work."""
        try:
            chore.work()
            self._failing.discard(chore)
        except Exception as error:
            if is_unavailable(error):
                raise
            if chore not in self._failing:
                self._failing.add(chore)
                log.exception("a chore of the workers fails; all else goes on", chore=type(chore).__name__)

    def _are_mine(self) -> bool:
        key, owner = RECONCILER_KEY, self._owner
        return bool(self._redis.set(key, owner, nx=True, px=LEASE_MS)) or (
            self._redis.get(key) == owner.encode() and bool(self._redis.pexpire(key, LEASE_MS))
        )
