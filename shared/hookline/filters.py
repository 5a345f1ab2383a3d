"""Which events are meant, and how that is said to Redis.

An id begins with the time of receipt, so that "newer", "since" and "until" are comparisons of ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hookline.errors import HooklineError

ID_DIGITS = 24
TIME_DIGITS = 12
AFTER_ANY_DIGIT = "g"
"""An id's first digits with this behind them come after every id that begins with them."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are meant. Empty fields match everything."""

    source: str | None = None
    type: str | None = None
    """A pattern: `misskey.*`."""
    state: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    action: str | None = None
    """Only events that this action has run on; `state` is then the run's, not the event's."""
    id: str | None = None
    """The id, or its first digits."""
    text: str | None = None
    """Found in the body, whether the sender wrote it as it is or with JSON's escapes; `A` finds `a`."""
    failure: str | None = None
    """Only dead letters of this group, see `failure_groups`."""

    def wants(self, name: str) -> bool:
        """Whether events of this `<source>/<type>` can be meant."""
        source, _, kind = name.partition("/")
        return (self.source is None or source == self.source) and (
            self.type is None or fnmatchcase(kind, self.type)
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ids from `low` on, and before `before`."""

    low: str
    before: str

    @property
    def low_ms(self) -> int:
        """No event within the bounds was received earlier."""
        return int(self.low[:TIME_DIGITS].ljust(TIME_DIGITS, "0"), 16)

    @property
    def before_ms(self) -> int:
        """No event within the bounds was received later."""
        return int(self.before[:TIME_DIGITS].replace(AFTER_ANY_DIGIT, "f").ljust(TIME_DIGITS, "f"), 16)

    @property
    def is_one(self) -> bool:
        """Whether that is the whole id of one event."""
        return len(self.low) == ID_DIGITS and self.before.startswith(self.low)

    def until(self, ms: int) -> Bounds:
        """Those of them that were received then, or earlier."""
        return Bounds(self.low, min(self.before, _digits(ms + 1)))

    def has(self, event_id: str) -> bool:
        """Whether an event is within."""
        return self.low <= event_id < self.before


def bounds(wanted: Filter, cursor: str) -> Bounds | None:
    """Where the events can be that are meant, after this cursor; None for nowhere."""
    first_digits = (wanted.id or "").lower()
    if not re.fullmatch(f"[0-9a-f]{{0,{ID_DIGITS}}}", first_digits):
        return None
    low = max(first_digits, _digits(wanted.since_ms or 0))
    within = Bounds(low, first_digits + AFTER_ANY_DIGIT)
    if wanted.until_ms is not None:
        within = within.until(wanted.until_ms)
    if cursor:
        within = Bounds(low, min(within.before, _checked(cursor)))
    return within if within.low < within.before else None


def matching(names: Iterable[str], wanted: Filter) -> list[str]:
    """Those `<source>/<type>` of which events can be meant."""
    return [name for name in names if wanted.wants(name)]


def received_ms(event_id: str) -> int:
    """When the event of this id was received."""
    return int(event_id[:TIME_DIGITS], 16)


def spellings(text: str) -> list[str]:
    """How a text may be written in a body, in lower case: as it is, or as JSON has it within a string.

    Some senders escape everything that isn't ASCII, some what HTML would take for markup.
    """
    written = [text, *(json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))]
    written += [_without_markup(each) for each in written]
    return list(dict.fromkeys(map(_ascii_lower, written)))


def _digits(ms: int) -> str:
    return f"{min(max(ms, 0), 16**TIME_DIGITS - 1):0{TIME_DIGITS}x}"


def _checked(cursor: str) -> str:
    if not re.fullmatch(f"[0-9a-f]{{{ID_DIGITS}}}", cursor):
        raise HooklineError(
            f"{cursor!r} is no place to go on from; give the id of the last event of the page before"
        )
    return cursor


def _without_markup(written: str) -> str:
    return re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", written)


def _ascii_lower(text: str) -> str:
    return re.sub("[A-Z]+", lambda found: found[0].lower(), text)
