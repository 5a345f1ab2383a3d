"""Counts what Redis does not see by itself: refused deliveries, commits, and what went to the spool.

It is kept in memory until `reporting.py` brings it to Redis, once a second; a delivery that is accepted costs
nothing but its part of its group's commit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal, NamedTuple, get_args

from hookline.figures import COMMIT_BOUNDS_MS, GROUP_BOUNDS, MINUTE_MS
from hookline.operations import now_ms

LATEST = 50
"""So many refused deliveries of each source are kept, with why and from where."""
MOST_MINUTES = 26 * 60
"""As long as Redis keeps minutes; where it is away for longer, the first ones are forgotten."""

Reason = Literal[
    "no_source",
    "method",
    "too_large",
    "slow",
    "not_http",
    "signature",
    "too_fast",
    "not_committed",
    "failed",
]
"""Why a delivery is refused; docs/metrics.md says what each means."""
REASONS: tuple[Reason, ...] = get_args(Reason)


class Rejected(NamedTuple):
    """A refused delivery."""

    at_ms: int
    why: str
    peer: str | None


class Counted(NamedTuple):
    """What was counted for a while."""

    totals: dict[str, int]
    minutes: dict[int, dict[str, int]]
    """By the number of the minute since 1970."""
    latest: dict[str, list[Rejected]]
    """By source, the oldest first."""


class Tally:
    """Of one process."""

    def __init__(self, clock_ms: Callable[[], int] = now_ms) -> None:
        self._clock_ms = clock_ms
        self._totals: Counter[str] = Counter()
        self._minutes: dict[int, Counter[str]] = {}
        self._latest: defaultdict[str, deque[Rejected]] = defaultdict(partial(deque, maxlen=LATEST))
        self._commit_seconds = 0.0

    def rejected(self, reason: Reason, why: str, *, source: str = "", peer: str | None = None) -> None:
        """A delivery is refused; `why` is for a person, and may be a sender's words."""
        at_ms = self._clock_ms()
        name = f"rejected:{reason}:{source}"
        self._totals[name] += 1
        self._minute(at_ms // MINUTE_MS)[name] += 1
        self._latest[source].append(Rejected(at_ms, why, peer))

    def committed(self, deliveries: int, seconds: float) -> None:
        """A group is committed; it took so long."""
        self._totals["commits"] += 1
        self._totals["commit_events"] += deliveries
        self._totals[f"commit_le:{_bound(COMMIT_BOUNDS_MS, seconds * 1000)}"] += 1
        self._totals[f"group_le:{_bound(GROUP_BOUNDS, deliveries)}"] += 1
        self._commit_seconds += seconds

    def spooled(self, sources: Iterable[str]) -> None:
        """A delivery of each of these is on the disk."""
        self._totals.update(f"spooled:{source}" for source in sources)

    def take(self) -> Counted:
        """What was counted since the last time."""
        if whole_ms := int(self._commit_seconds * 1000):
            self._totals["commit_ms"] += whole_ms
            self._commit_seconds -= whole_ms / 1000
        latest = {source: list(rejected) for source, rejected in self._latest.items()}
        counted = Counted(dict(self._totals), {n: dict(each) for n, each in self._minutes.items()}, latest)
        self._totals, self._minutes = Counter(), {}
        self._latest.clear()
        return counted

    def _minute(self, number: int) -> Counter[str]:
        if number not in self._minutes:
            if len(self._minutes) >= MOST_MINUTES:
                del self._minutes[min(self._minutes)]
            self._minutes[number] = Counter()
        return self._minutes[number]


def _bound(bounds: tuple[float, ...], value: float) -> float:
    return bounds[bisect_left(bounds, value)]
