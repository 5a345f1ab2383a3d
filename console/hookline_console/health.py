"""How each action and each source does, judged from the figures: the rows of the console's tables."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from hookline.figures import ActionFigures, SourceFigures
from hookline.settings import Settings, Source
from hookline_console.reading import Reading

RATE_MINUTES = 5
"""A rate is the mean of so many whole minutes."""
USUAL = 0.95


@dataclass(frozen=True, slots=True)
class ActionHealth:
    """One action."""

    name: str
    figures: ActionFigures
    attempts: int
    """Those that ended within the last hour."""
    failed: int
    """How many of them failed."""
    usual_ms: float | None
    """Within which time 95 % of all attempts ended; None without any, or when it is longer than any bound."""

    @property
    def failure_rate(self) -> float:
        """Between 0 and 1."""
        return self.failed / self.attempts if self.attempts else 0.0

    @property
    def state(self) -> str:
        """A word of the style sheet's."""
        if self.figures.paused_since_ms is not None:
            return "paused"
        if not self.failed:
            return "good" if self.attempts else "idle"
        return "bad" if self.failure_rate >= 0.5 else "late"


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """One source."""

    name: str
    settings: Source | None
    """None when the settings do not name it any more."""
    figures: SourceFigures
    received: int
    """Within the last hour, as the next two."""
    repeated: int
    rejected: dict[str, int]
    per_minute: float
    last_age_ms: int | None
    """How long ago its last new event came; None before the first."""
    secret_age_ms: int | None

    @property
    def is_silent(self) -> bool:
        """Has nothing come for longer than its settings find right?"""
        hours = self.settings.silent_after_hours if self.settings else None
        return hours is not None and self.last_age_ms is not None and self.last_age_ms > hours * 3_600_000

    @property
    def refused(self) -> int:
        """How many deliveries were refused within the last hour."""
        return sum(self.rejected.values())

    @property
    def state(self) -> tuple[str, str]:
        """A word of the style sheet's, and one for people."""
        if self.figures.paused_since_ms is not None:
            return "paused", "paused"
        if self.settings is None:
            return "idle", "not in the settings"
        if self.last_age_ms is None:
            return "idle", "nothing came yet"
        if self.is_silent:
            return "late", "silent"
        return ("late", "refusing some") if self.refused else ("good", "well")


def actions(reading: Reading) -> list[ActionHealth]:
    """Every action that has ever run, or is paused; by name."""
    return [_action(reading, name, figures) for name, figures in sorted(reading.figures.actions.items())]


def sources(reading: Reading, settings: Settings) -> list[SourceHealth]:
    """Every source of the settings, then those that are not there any more."""
    known = [*settings.sources, *sorted(reading.figures.sources.keys() - settings.sources.keys())]
    return [source(reading, settings, name) for name in known]


def source(reading: Reading, settings: Settings, name: str) -> SourceHealth:
    """One source."""
    figures, at_ms = reading.figures.sources.get(name, SourceFigures()), reading.figures.at_ms
    since_ms = reading.secrets.get(name)
    last = reading.per_minute(["received"], source=name, minutes=RATE_MINUTES + 1)[:-1]
    return SourceHealth(
        name=name,
        settings=settings.sources.get(name),
        figures=figures,
        received=reading.counted(f"received:{name}"),
        repeated=reading.counted(f"repeated:{name}"),
        rejected=reading.rejected(name),
        per_minute=sum(last) / RATE_MINUTES,
        last_age_ms=None if figures.last_at_ms is None else max(0, at_ms - figures.last_at_ms),
        secret_age_ms=None if since_ms is None else max(0, at_ms - since_ms),
    )


def _action(reading: Reading, name: str, figures: ActionFigures) -> ActionHealth:
    failed = reading.counted(f"runs:retrying:{name}", f"runs:dead:{name}")
    usual_ms = figures.within(USUAL)
    return ActionHealth(
        name=name,
        figures=figures,
        attempts=failed + reading.counted(f"runs:done:{name}"),
        failed=failed,
        usual_ms=None if usual_ms == inf else usual_ms,
    )
