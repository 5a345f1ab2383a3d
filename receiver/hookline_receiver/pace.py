"""How fast one source may send: a token bucket that holds one second's worth."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Pace:
    """Of one source in one process."""

    def __init__(
        self, source: str, per_second: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._per_second = per_second
        self._most = max(per_second, 1.0)
        self._left = self._most
        self._clock = clock
        self._at = clock()
        self._is_told = False

    def allows_one_more(self) -> bool:
        """Whether another delivery may be taken now, which then counts."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left == self._most:  # it has been quiet for a while: what comes next is another flood
            self._is_told = False
        if self._left < 1:
            self._tell()
            return False
        self._left -= 1
        return True

    def _tell(self) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning(
                "a source sends more than its max_per_second; its senders are told to try again",
                source=self._source,
                max_per_second=self._per_second,
            )
