"""What becomes of deliveries that Redis doesn't take: the spool keeps them, or their senders are told 503."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from hookline.connections import is_unavailable
from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline_receiver.spool import Spool
from hookline_receiver.waiting import Outcome

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hold:
    """Whose deliveries Redis has enough of, and why."""

    sources: frozenset[str] = frozenset()
    reason: str = ""
    """Empty unless it has enough of everybody's."""

    def is_on(self, source: str) -> bool:
        """Whether it has enough of this source's."""
        return bool(self.reason) or source in self.sources


NOTHING = Hold()


class Detour:
    """Takes what doesn't go to Redis.

    With a spool, deliveries don't try a Redis that is known to be away: `is_away` is set by the first commit
    that fails, and taken back by the drain, which looks every second. `hold` is what the back-pressure found.
    """

    def __init__(self, spool: Spool | None = None) -> None:
        self.spool = spool
        self.is_away = False
        self.hold = NOTHING
        self._is_told = False

    @property
    def is_needed(self) -> bool:
        """Whether anybody's deliveries go this way now."""
        return self.is_away or self.hold is not NOTHING

    def is_for(self, source: str) -> bool:
        """Whether this source's deliveries go this way now."""
        return self.is_away or self.hold.is_on(source)

    async def take(self, events: Sequence[RawEvent], reason: str) -> list[Outcome]:
        """What becomes of these, which go this way for that reason."""
        if self.spool is None:
            return [NotCommittedError(reason)] * len(events)
        outcomes = await self.spool.keep(events)
        for event, outcome in zip(events, outcomes, strict=True):
            if outcome == event.id:
                log.debug("delivery spooled", event_id=event.id, source=event.source, reason=reason)
        return outcomes

    def redis_failed(self, error: Exception) -> None:
        """A commit failed: tell it, once until one succeeds."""
        is_known = is_away(error)
        self.is_away = self.is_away or (is_known and self.spool is not None)
        if self._is_told:
            return
        self._is_told = True
        if is_known and self.spool is None:
            log.error("redis does not take commits; senders are told to try again", error=say(error))
        elif is_known:
            log.error("redis does not take commits; deliveries are spooled", error=say(error))
        elif self.spool is None:
            log.exception("a commit failed; senders are told to try again", exc_info=error)
        else:
            log.exception("a commit failed; deliveries are spooled", exc_info=error)

    def redis_took(self) -> None:
        """A commit succeeded."""
        if self._is_told:
            self._is_told = False
            log.info("redis takes commits again")


def is_away(error: Exception) -> bool:
    """Whether a commit failed because Redis takes none now, and for no other reason."""
    return isinstance(error, TimeoutError) or is_unavailable(error)


def say(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
