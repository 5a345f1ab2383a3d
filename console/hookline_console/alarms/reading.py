"""What the alarms read from Redis: the figures, the dead letters that are new, and an action's last error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hookline.figures import Figures, read_figures, read_minutes
from hookline.filters import Filter
from hookline.index import FailureGroup, failure_groups, search
from hookline.keys import FAILURE_PREFIX
from hookline.ledger import runs_of
from hookline.store import Store
from hookline_console.alarms.alarm import Alarm
from hookline_console.alarms.look import Deaths, Look
from hookline_console.alarms.wording import count, quoted

MINUTES_BEFORE = 120
"""How far back one looks, who looks for the first time, for attempts that failed in a row."""
MOST_GROUPS = 50


class DeadLetters:
    """Those that are new. Groups are read again only when something can have changed."""

    def __init__(self) -> None:
        self._reason: object = None
        self._groups: list[FailureGroup] = []

    def read(
        self, store: Store, figures: Figures, since_ms: int | None, counted: Mapping[str, int]
    ) -> tuple[tuple[Deaths, ...], int]:
        """Those since `since_ms`, and of a group in `counted` since then; and when the latest one died.

        `since_ms` is None for somebody who has never looked: nothing is new then.
        """
        sources = figures.sources
        reason = {name: (each.dead, each.dead_now, each.replayed) for name, each in sources.items()}
        if reason != self._reason:
            self._groups, self._reason = failure_groups(store), reason
        latest_ms = max((group.latest_ms for group in self._groups), default=0)
        if since_ms is None:
            return (), latest_ms
        new = [
            (group, from_ms)
            for group in self._groups
            if group.latest_ms > (from_ms := counted.get(group.id, since_ms))
        ]
        newest = sorted(new, key=lambda each: -each[0].latest_ms)[:MOST_GROUPS]
        return _counted(store, newest), latest_ms


def read_all(
    store: Store, dead_letters: DeadLetters, since_ms: int | None, counted: Mapping[str, int]
) -> Look:
    """What Redis has to say, at its own time. Raises what redis-py raises while it is away."""
    figures = read_figures(store)
    deaths, latest_ms = dead_letters.read(store, figures, since_ms, counted)
    minutes = read_minutes(store, MINUTES_BEFORE, figures.at_ms) if since_ms is None else ()
    return Look(figures.at_ms, figures, "", (), deaths, latest_ms, tuple(minutes))


def with_errors(store: Store, alarms: Sequence[Alarm]) -> list[Alarm]:
    """Those of failing actions say in their text with which error, and how many events it concerns."""
    groups = failure_groups(store)
    return [replace(alarm, text=f"{alarm.text} {_error(store, alarm.action, groups)}") for alarm in alarms]


def _counted(store: Store, groups: Sequence[tuple[FailureGroup, int]]) -> tuple[Deaths, ...]:
    with store.redis.pipeline(transaction=False) as pipeline:
        for group, from_ms in groups:
            pipeline.zcount(FAILURE_PREFIX + group.id, f"({from_ms}", "+inf")
        numbers = pipeline.execute()
    return tuple(
        Deaths(group.id, group.action, group.error, number, from_ms, group.latest_ms)
        for (group, from_ms), number in zip(groups, numbers, strict=True)
        if number
    )


def _error(store: Store, action: str, groups: Sequence[FailureGroup]) -> str:
    """Of the run that failed last: one that is tried again, else one that died."""
    died = [group for group in groups if group.action == action]
    dead = sum(group.count for group in died)
    waiting = search(store, Filter(action=action, state="retrying"), size=1).events
    run = runs_of(store.fields(waiting[0].id)).get(action) if waiting else None
    latest = max(died, key=lambda group: group.latest_ms, default=None)
    error = (run.error if run else None) or (latest.error if latest else None)
    told = f"The error: {quoted(error)}." if error else ""
    return f"{told} {count(dead, 'dead letter')} of it so far.".strip()
