"""The book of alarms: what is up since when, what was told when, and what is to be told now.

What flaps is not told again and again: it is over only when it has been gone for a minute, and twice as long
each time that it came back soon after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hookline_console.alarms.alarm import Alarm, Severity

SETTLE_MS = 60_000
"""What is gone for less is not over yet."""
KINDS_OF_DEATH = 5
"""Of one action, dead letters with so many different errors are told within `again`; the others wait."""


class Kind(StrEnum):
    """What there is to tell of an alarm."""

    NEW = "new"
    STILL = "still"
    OVER = "over"
    WAS = "was"
    """It came and went while nobody was to be told."""


class News(NamedTuple):
    """An alarm that somebody has to be told of."""

    kind: Kind
    alarm: Alarm
    since_ms: int
    until_ms: int
    """When it was last seen."""


@dataclass(slots=True)
class Entry:
    """What is known of one alarm."""

    alarm: Alarm
    since_ms: int
    seen_ms: int
    told_ms: int | None = None
    told_stage: int = 0
    is_over: bool = False
    """And nobody need be told of that any more."""
    returns: int = 0
    """How often it came back soon after it was over."""
    counted_ms: int = 0
    """Of things that happened, until when they were told."""


class Book:
    """`note` takes what a look found, `due` says what is to be told, and `told` that it is on its way."""

    def __init__(self, group_seconds: float, again_hours: float) -> None:
        self.entries: dict[str, Entry] = {}
        self.waiting_since_ms: int | None = None
        """Since when something is to be told; what comes up within `group_seconds` goes along."""
        self._group_ms, self._again_ms = group_seconds * 1000, again_hours * 3_600_000
        self._looked_ms = 0

    @property
    def counted(self) -> dict[str, int]:
        """Until when things that happened were counted, by the key of their alarm."""
        return {key: entry.counted_ms for key, entry in self.entries.items() if entry.alarm.happened}

    def take_over(self, entries: Mapping[str, Entry], waiting_since_ms: int | None) -> None:
        """What another one had in its book; of what is in both, this one's is newer."""
        self.entries = {**entries, **self.entries}
        self.waiting_since_ms = self.waiting_since_ms or waiting_since_ms
        self._looked_ms = max((entry.seen_ms for entry in self.entries.values()), default=0)

    def note(self, alarms: Mapping[str, Alarm], at_ms: int, *, is_blind: bool) -> None:
        """What a look found; a blind one saw nothing that needs Redis."""
        before_ms, self._looked_ms = self._looked_ms, at_ms
        for key, alarm in alarms.items():
            self._note(key, alarm, at_ms)
        for key, entry in list(self.entries.items()):
            if key in alarms:
                continue
            if is_blind and entry.alarm.needs_redis and entry.seen_ms == before_ms:
                entry.seen_ms = at_ms
            elif self._is_past(entry, at_ms):
                del self.entries[key]

    def due(self, at_ms: int, *, is_quiet: bool) -> list[News]:
        """What is to be told now, the gravest first; `told` has to be told of it."""
        pending = [news for entry in self.entries.values() if (news := self._news(entry, at_ms))]
        if not pending:
            self.waiting_since_ms = None
            return []
        if self.waiting_since_ms is None:
            self.waiting_since_ms = at_ms
        urgent = [news for news in pending if news.alarm.severity is Severity.URGENT]
        is_time = bool(urgent) or at_ms - self.waiting_since_ms >= self._group_ms
        chosen = urgent if is_quiet else pending if is_time else []
        if len(chosen) == len(pending):
            self.waiting_since_ms = None
        return sorted(chosen, key=lambda news: (news.kind is Kind.OVER, -news.alarm.severity, news.since_ms))

    def told(self, news: Sequence[News], at_ms: int) -> None:
        """These are on their way."""
        for each in news:
            entry = self.entries[each.alarm.key]
            entry.told_ms, entry.told_stage = at_ms, each.alarm.stage
            entry.is_over = each.kind in (Kind.OVER, Kind.WAS)
            entry.counted_ms = each.alarm.to_ms

    def _note(self, key: str, alarm: Alarm, at_ms: int) -> None:
        entry = self.entries.get(key)
        if entry is None or entry.is_over:
            returns = entry.returns + 1 if entry else 0
            since_ms = min(alarm.since_ms, at_ms)
            self.entries[key] = Entry(alarm, since_ms, at_ms, returns=returns, counted_ms=alarm.from_ms)
        else:
            entry.alarm, entry.seen_ms = alarm, at_ms

    def _news(self, entry: Entry, at_ms: int) -> News | None:
        alarm = entry.alarm
        is_up = entry.seen_ms == self._looked_ms
        is_again = entry.told_ms is not None and at_ms - entry.told_ms >= self._again_ms
        kind: Kind | None = None
        if entry.is_over:
            return None
        if alarm.happened:
            is_first = entry.told_ms is None and not self._is_enough_of(alarm, at_ms)
            kind = Kind.NEW if is_up and (is_first or is_again) else None
        elif not is_up:
            if self._is_gone(entry, at_ms):
                kind = Kind.WAS if entry.told_ms is None else Kind.OVER
        elif entry.told_ms is None:
            kind = Kind.NEW if self._has_lasted(entry, alarm.hold_seconds * 1000) else None
        elif alarm.stage > entry.told_stage:
            kind = Kind.NEW
        elif is_again:
            kind = Kind.STILL
        return News(kind, alarm, entry.since_ms, entry.seen_ms) if kind else None

    def _is_past(self, entry: Entry, at_ms: int) -> bool:
        """Whether what is gone may be forgotten: nothing is to be told of it, nor was anything of late."""
        if entry.told_ms is not None:
            is_silent = entry.is_over or entry.alarm.happened
            return is_silent and at_ms - entry.told_ms >= self._again_ms
        if entry.alarm.happened:
            return True
        was_short = not self._has_lasted(entry, max(entry.alarm.hold_seconds * 1000, self._group_ms))
        return was_short and self._is_gone(entry, at_ms)

    def _is_gone(self, entry: Entry, at_ms: int) -> bool:
        settle_ms = max(SETTLE_MS, self._group_ms) * (1 << min(entry.returns, 20))
        return at_ms - entry.seen_ms >= min(settle_ms, self._again_ms)

    @staticmethod
    def _has_lasted(entry: Entry, milliseconds: float) -> bool:
        return entry.seen_ms - entry.since_ms >= milliseconds

    def _is_enough_of(self, alarm: Alarm, at_ms: int) -> bool:
        told = [
            entry
            for entry in self.entries.values()
            if entry.alarm.happened
            and entry.alarm.action == alarm.action
            and entry.told_ms is not None
            and at_ms - entry.told_ms < self._again_ms
        ]
        return len(told) >= KINDS_OF_DEATH
