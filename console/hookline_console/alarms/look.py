"""What one look at everything found, and what is remembered from one look to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hookline.figures import ActionFigures, Figures, Minute


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a receiver answered when it was asked whether it would take a delivery now."""

    address: str
    takes: bool
    state: str
    """`ready`, `spooling`, or why it takes none."""
    spooled_events: int = 0
    spooled_bytes: int = 0
    is_named: bool = True
    """By the settings. Of any other it means nothing when it doesn't answer: who knows from where it can."""


@dataclass(frozen=True, slots=True)
class Deaths:
    """The dead letters of one action and error that came up since `from_ms`."""

    group: str
    action: str
    """Empty where the event could not be read."""
    error: str
    number: int
    from_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Look:
    """What there was at one moment. Without figures Redis was away, and `redis_error` says how."""

    at_ms: int
    """By the clock of whoever looks; the figures have their own, which is that of Redis."""
    figures: Figures | None
    redis_error: str = ""
    readiness: tuple[Readiness, ...] = ()
    deaths: tuple[Deaths, ...] = ()
    latest_death_ms: int = 0
    minutes: tuple[Minute, ...] = ()
    """What was counted lately, for somebody who looks for the first time."""


@dataclass(frozen=True, slots=True)
class Streak:
    """An action's failed attempts in a row."""

    done: int = 0
    """Its successes so far; another one ends the row."""
    failed_before: int = 0
    """Its failed attempts before the row began."""
    failures: int = 0
    since_ms: int = 0
    last_ms: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a later look needs to know of the earlier ones."""

    begun_ms: int
    """Since when somebody watches."""
    deaths_ms: int | None = None
    """When the latest dead letter that was seen had died; None as long as nobody could look."""
    streaks: dict[str, Streak] = field(default_factory=dict)
    away_since_ms: int | None = None
    """Since when Redis has been away."""
    refusing: dict[str, int] = field(default_factory=dict)
    """Since when each receiver has not been ready, by its address."""
    receivers: tuple[str, ...] = ()
    """Where receivers said that they can be asked, to be asked while Redis is away."""
    deserted_since_ms: int | None = None
    """Since when none of them has said that it runs."""


def follow(memory: Memory | None, look: Look) -> Memory:
    """The memory after this look. What died before the first one is not told any more."""
    memory = memory or Memory(look.at_ms)
    refusing = {
        each.address: memory.refusing.get(each.address, look.at_ms)
        for each in look.readiness
        if each.is_named and not each.takes
    }
    if look.figures is None:
        since = look.at_ms if memory.away_since_ms is None else memory.away_since_ms
        return replace(memory, away_since_ms=since, refusing=refusing)
    receivers = tuple(dict.fromkeys(receiver.admin for receiver in look.figures.receivers))
    is_deserted = bool(memory.receivers) and not receivers
    return Memory(
        memory.begun_ms,
        max(memory.deaths_ms or 0, look.latest_death_ms),
        _streaks(memory, look.figures, look),
        None,
        refusing,
        receivers or memory.receivers,
        (memory.deserted_since_ms or look.at_ms) if is_deserted else None,
    )


def _streaks(memory: Memory, figures: Figures, look: Look) -> dict[str, Streak]:
    if memory.deaths_ms is None:
        return {name: _so_far(name, action, look.minutes) for name, action in figures.actions.items()}
    return {
        name: _next(memory.streaks.get(name, Streak()), action, look.at_ms)
        for name, action in figures.actions.items()
    }


def _next(streak: Streak, action: ActionFigures, at_ms: int) -> Streak:
    """What was paused, or has succeeded since the last look, begins anew; in which order is not known."""
    failed = action.retrying + action.dead
    is_paused = action.paused_since_ms is not None
    if action.done != streak.done or failed < streak.failed_before or is_paused:
        return Streak(action.done, failed)
    failures = failed - streak.failed_before
    if failures == streak.failures:
        return streak
    since = streak.since_ms if streak.failures else at_ms
    return replace(streak, failures=failures, since_ms=since, last_ms=at_ms)


def _so_far(name: str, action: ActionFigures, minutes: Sequence[Minute]) -> Streak:
    """What failed in the minutes after the last one in which it succeeded."""
    failures = since = last = 0
    for minute in reversed(minutes):
        if minute.counts.get(f"runs:done:{name}"):
            break
        failed = sum(minute.counts.get(f"runs:{outcome}:{name}", 0) for outcome in ("retrying", "dead"))
        if failed:
            failures, since, last = failures + failed, minute.at_ms, last or minute.at_ms
    return Streak(action.done, action.retrying + action.dead - failures, failures, since, last)
