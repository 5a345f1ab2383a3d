"""What waits for its commit, in its order, and how much of it is whose."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import structlog

from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline.queue import GROUP_BYTES
from hookline.shares import may_take

Outcome = str | NotCommittedError
"""The id under which an event is stored, another's when it was seen before; or why it is not."""

log = structlog.get_logger(__name__)


class Waiter(NamedTuple):
    """An event, and who wants to know what becomes of it."""

    event: RawEvent
    size: int
    tell: Callable[[Outcome], None]
    since: float
    """By the event loop's clock."""


class WaitingLine:
    """Bounded in bytes, of which each source may have its share."""

    def __init__(self, most_bytes: int) -> None:
        self.size_bytes = 0
        self._most_bytes = most_bytes
        self._waiters: deque[Waiter] = deque()
        self._shares: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiters)

    def has_room(self, source: str, size: int) -> bool:
        """Whether one more may wait; a single one always may, however large."""
        used, most = self.size_bytes, self._most_bytes
        if not self._waiters or used + size < most // 2:  # every share is larger than that
            return True
        return used + size <= most and may_take(self._shares.get(source, 0), used, most)

    def add(self, waiter: Waiter) -> None:
        """Put it at the end."""
        source = waiter.event.source
        self._waiters.append(waiter)
        self._shares[source] = self._shares.get(source, 0) + waiter.size
        self.size_bytes += waiter.size

    def next_group(self, most_events: int) -> list[Waiter]:
        """Take the next ones, up to the limits; a single one may be over that of the bytes."""
        group: list[Waiter] = []
        size = 0
        while self._waiters and len(group) < most_events:
            if group and size + self._waiters[0].size > GROUP_BYTES:
                break
            waiter = self._waiters.popleft()
            group.append(waiter)
            self._shares[waiter.event.source] -= waiter.size
            size += waiter.size
        self.size_bytes -= size
        return group

    def all(self) -> list[Waiter]:
        """Take all of them."""
        waiters = list(self._waiters)
        self._waiters.clear()
        self._shares.clear()
        self.size_bytes = 0
        return waiters


def tell(waiter: Waiter, outcome: Outcome) -> None:
    """Tell the one who waits."""
    try:
        waiter.tell(outcome)
    except Exception:  # a mistake of ours on one connection; the others of the group have to be told
        event = waiter.event
        log.exception(
            "an answer could not be sent; its sender will try again", event_id=event.id, source=event.source
        )
