"""A sender's give-up clock: from when deliveries are refused to when the first of them is lost for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import NamedTuple

from hookline.providers import provider
from hookline.settings import Settings
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.look import Look, Memory
from hookline_console.alarms.wording import duration, moment, quoted

HOLD_SECONDS = 15.0
"""A receiver that is started anew, or a failover of Redis, is over by then."""


class Clock(NamedTuple):
    """How long the senders of these sources try, where that is known."""

    provider: str
    sources: tuple[str, ...]
    until_ms: int | None
    """When the first delivery that was refused is tried for the last time."""


def giving_up(look: Look, memory: Memory, settings: Settings, zone: tzinfo | None) -> Iterator[Alarm]:
    """Told when the clock starts, at half time, and when it has run out."""
    refusals = _refusals(look, memory)
    if not refusals:
        return
    since_ms = min(refusals.values())
    clocks = _clocks(settings, since_ms)
    ends = [clock.until_ms for clock in clocks if clock.until_ms is not None]
    until_ms = min(ends, default=None)
    at = moment(until_ms, look.at_ms, zone) if until_ms is not None else ""
    is_lost = until_ms is None or look.at_ms >= until_ms
    title = "Deliveries are being lost" if is_lost else f"Deliveries are refused, and lost from {at} on"
    yield Alarm(
        "giving-up",
        title,
        f"Since {moment(since_ms, look.at_ms, zone)}: {'; '.join(refusals)}. "
        + " ".join(_told(clock, look.at_ms, zone) for clock in clocks),
        "`hookline check` says what is wrong. Start what is missing: Redis, or the receiver. With "
        "`spool.folder` set, a receiver keeps deliveries on its own disk while Redis is away.",
        Severity.URGENT,
        since_ms,
        stage=_stage(since_ms, until_ms, look.at_ms),
        hold_seconds=HOLD_SECONDS,
        needs_redis=False,
    )


def redis_away(look: Look, memory: Memory, settings: Settings, zone: tzinfo | None) -> Iterator[Alarm]:
    """Where receivers keep deliveries meanwhile; else the clock is what is told."""
    since_ms = memory.away_since_ms
    if look.figures or since_ms is None or _refusals(look, memory):
        return
    taking = [each for each in look.readiness if each.takes]
    yield Alarm(
        "redis-away",
        "Redis is away",
        f"Since {moment(since_ms, look.at_ms, zone)}: {quoted(look.redis_error)}. Deliveries are kept by "
        f"{', '.join(each.address for each in taking)}; nothing is run until it is back.",
        "`hookline check` says what is wrong with it. Bring it back before the spool is full.",
        Severity.ERROR,
        since_ms,
        hold_seconds=HOLD_SECONDS,
        needs_redis=False,
    )


def _refusals(look: Look, memory: Memory) -> dict[str, int]:
    """Who refuses deliveries, as a sentence, and since when."""
    found = {
        f"{each.address} {each.state}": memory.refusing.get(each.address, look.at_ms)
        for each in look.readiness
        if each.is_named and not each.takes
    }
    for receiver in look.figures.receivers if look.figures else ():
        if receiver.state == "refusing":
            found[f"the receiver {receiver.name} refuses them"] = receiver.refused_since_ms or look.at_ms
    if any(each.takes for each in look.readiness):
        return found
    if memory.deserted_since_ms is not None:
        found["no receiver is running"] = memory.deserted_since_ms
    if look.figures is None:
        since_ms = look.at_ms if memory.away_since_ms is None else memory.away_since_ms
        found[f"Redis is away, and no receiver says that it spools ({quoted(look.redis_error)})"] = since_ms
    return found


def _clocks(settings: Settings, since_ms: int) -> list[Clock]:
    by_provider: dict[str, list[str]] = {}
    for name, source in settings.sources.items():
        by_provider.setdefault(source.provider, []).append(name)
    return [
        Clock(name, tuple(sources), None if seconds is None else since_ms + int(seconds * 1000))
        for name, sources in by_provider.items()
        for seconds in [provider(name).gives_up_after_seconds]
    ]


def _told(clock: Clock, at_ms: int, zone: tzinfo | None) -> str:
    who = f"{clock.provider} ({', '.join(clock.sources)})"
    if clock.until_ms is None:
        return f"{who} is not known to try again: what it sends meanwhile is lost."
    until = moment(clock.until_ms, at_ms, zone)
    if at_ms >= clock.until_ms:
        return f"{who} has given up what it first sent by then; more is lost with every minute."
    return f"{who} tries for the last time at {until}: in {duration(clock.until_ms - at_ms)}."


def _stage(since_ms: int, until_ms: int | None, at_ms: int) -> int:
    """0, 1 from half time on, 2 when it has run out."""
    if until_ms is None:
        return 0
    return (at_ms >= (since_ms + until_ms) / 2) + (at_ms >= until_ms)
