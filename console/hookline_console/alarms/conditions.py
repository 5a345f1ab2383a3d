"""When something is wrong: what a look found, and what is remembered, become alarms. Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import NamedTuple

from hookline.figures import Figures, SourceFigures
from hookline.settings import Settings
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.giving_up import giving_up, redis_away
from hookline_console.alarms.look import Look, Memory
from hookline_console.alarms.redis_conditions import redis_conditions
from hookline_console.alarms.spooling import spooling
from hookline_console.alarms.wording import count, duration, moment, quoted

WORKER_HOLD_SECONDS = 30.0
"""A worker that is started anew is away for a few seconds, and after an outage it needs some to come back."""


class Scene(NamedTuple):
    """What a condition looks at while Redis is there."""

    look: Look
    figures: Figures
    memory: Memory
    settings: Settings
    zone: tzinfo | None

    def moment(self, at_ms: int) -> str:
        """That time, for a person."""
        return moment(at_ms, self.look.at_ms, self.zone)


def alarms(look: Look, memory: Memory, settings: Settings, zone: tzinfo | None = None) -> dict[str, Alarm]:
    """Everything that is wrong, by its key; while Redis is away, what can be known without it."""
    found: list[Alarm] = [
        *giving_up(look, memory, settings, zone),
        *redis_away(look, memory, settings, zone),
        *spooling(look, settings),
    ]
    if look.figures:
        scene = Scene(look, look.figures, memory, settings, zone)
        found += redis_conditions(look, look.figures.redis, settings)
        for condition in (_failing, _dead_letters, _no_worker, _backlog, _silent):
            found += condition(scene)
    return {alarm.key: alarm for alarm in found}


def _failing(scene: Scene) -> Iterator[Alarm]:
    limits, at_ms = scene.settings.alarms, scene.look.at_ms
    for action, streak in scene.memory.streaks.items():
        is_old = at_ms - streak.last_ms >= limits.again_hours * 3_600_000
        if streak.failures < limits.failures_in_a_row or is_old:
            continue
        yield Alarm(
            f"failing:{action}",
            f"{action} fails again and again",
            f"{count(streak.failures, 'attempt')} in a row failed since {scene.moment(streak.since_ms)}, "
            f"the last one at {scene.moment(streak.last_ms)}.",
            "Its events are tried again by themselves. Look at them with `hookline events --state retrying`; "
            f"where the cause is not here, `hookline pause --action {action}` lets them wait.",
            Severity.ERROR,
            streak.since_ms,
            action=action,
        )


def _dead_letters(scene: Scene) -> Iterator[Alarm]:
    if not scene.settings.alarms.dead_letters:
        return
    for deaths in scene.look.deaths:
        which = f"of {deaths.action}" if deaths.action else "that could not be read"
        only = f" --action {deaths.action}" if deaths.action else ""
        yield Alarm(
            f"dead:{deaths.group}",
            f"{count(deaths.number, 'new dead letter')} {which}",
            f"The error: {quoted(deaths.error)}. The latest was at {scene.moment(deaths.latest_ms)}.",
            "`hookline events --state dead` lists them. When the cause is mended, run them again with "
            f"`hookline replay --state dead{only}`.",
            Severity.ERROR,
            scene.look.at_ms,
            happened=True,
            action=deaths.action,
            from_ms=deaths.from_ms,
            to_ms=deaths.latest_ms,
        )


def _no_worker(scene: Scene) -> Iterator[Alarm]:
    waiting = {name: n for name, source in scene.figures.sources.items() if (n := _unfinished(source))}
    if scene.figures.workers or not waiting:
        return
    oldest = scene.figures.oldest_waiting_ms
    age = f", the oldest for {duration(oldest)}" if oldest else ""
    yield Alarm(
        "no-worker",
        "No worker is running",
        f"{count(sum(waiting.values()), 'event')} wait{age} ({_listed(waiting)}). Nothing is lost, and "
        "nothing is run.",
        "Start one with `hookline worker`. Why it ended is in its log; `hookline check` says whether it "
        "would start.",
        Severity.ERROR,
        scene.look.at_ms,
        hold_seconds=WORKER_HOLD_SECONDS,
    )


def _backlog(scene: Scene) -> Iterator[Alarm]:
    """Without any worker that is what is told."""
    limit_seconds = scene.settings.alarms.backlog_seconds
    late = {
        name: source.oldest_waiting_ms
        for name, source in scene.figures.sources.items()
        if source.oldest_waiting_ms and source.oldest_waiting_ms > limit_seconds * 1000
    }
    if not late or not scene.figures.workers:
        return
    worst = max(late, key=late.__getitem__)
    each = "; ".join(
        f"{name}: {count(scene.figures.sources[name].ready, 'event')}, the oldest for {duration(age)}"
        for name, age in sorted(late.items(), key=lambda item: -item[1])
    )
    yield Alarm(
        "backlog",
        f"Events of {worst} wait for {duration(late[worst])}",
        f"{each}. Running: {count(len(scene.figures.workers), 'worker')}.",
        "Look at what they are doing with `hookline stats`; start more with `hookline worker --processes 4`, "
        "or find the slow action.",
        Severity.ERROR,
        scene.look.at_ms,
        hold_seconds=WORKER_HOLD_SECONDS,
    )


def _silent(scene: Scene) -> Iterator[Alarm]:
    """Not while deliveries wait in a spool: who knows whose they are."""
    if any(receiver.state == "spooling" for receiver in scene.figures.receivers):
        return
    for name, source in scene.settings.sources.items():
        last = scene.figures.sources.get(name, SourceFigures()).last_at_ms
        silent_ms = scene.figures.at_ms - (last or scene.memory.begun_ms)
        if not source.silent_after_hours or silent_ms <= source.silent_after_hours * 3_600_000:
            continue
        since_ms = scene.look.at_ms - silent_ms
        told = (
            f"The last new event came {duration(silent_ms)} ago, at {scene.moment(since_ms)}"
            if last
            else f"No event has ever come, and it has been watched for {duration(silent_ms)}"
        )
        yield Alarm(
            f"silent:{name}",
            f"Nothing comes from {name}",
            f"{told} (sources.{name}.silent_after_hours is {source.silent_after_hours:g}).",
            "Look at the webhook's page at the sender: is it active, which status did it get? "
            f"`hookline send {source.provider} all --source {name}` tries the way from here.",
            Severity.WARNING,
            since_ms,
        )


def _unfinished(source: SourceFigures) -> int:
    """Events that a worker would have to do with, now or when they are due."""
    return 0 if source.paused_since_ms is not None else max(0, source.open - source.paused)


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(numbers.items(), key=lambda n: -n[1]))
