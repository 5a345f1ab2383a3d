"""What one of the workers does for all, a little every second; another takes over when it has been silent."""

from __future__ import annotations

from typing import Protocol

from redis import Redis

from hookline.keys import RECONCILER_KEY

LEASE_MS = 10_000


class Chore(Protocol):
    """Something that has to be gone on with again and again."""

    def work(self) -> None:
        """Go on with it, for 50 ms or so at the most."""


class Chores:
    """`work` is called every second by every worker, and does nothing in all but one."""

    def __init__(self, redis: Redis, owner: str, *chores: Chore) -> None:
        self._redis, self._owner, self._chores = redis, owner, chores

    def work(self) -> None:
        """Go on with every chore, if they are this worker's."""
        if self._are_mine():
            for chore in self._chores:
                chore.work()

    def _are_mine(self) -> bool:
        key, owner = RECONCILER_KEY, self._owner
        return bool(self._redis.set(key, owner, nx=True, px=LEASE_MS)) or (
            self._redis.get(key) == owner.encode() and bool(self._redis.pexpire(key, LEASE_MS))
        )
