"""Stored events: filtered pages from the newest, and the dead letters in groups.

Whatever is asked for, nothing here takes long for Redis: see `walk`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hookline.filters import Filter, received_ms
from hookline.keys import EVENT_PREFIX, FAILURE_PREFIX, FAILURES_KEY
from hookline.ledger import RUN_FIELD
from hookline.operations import named
from hookline.store import Store
from hookline.walk import SUMMARY_FIELDS, Summary, summary, walk

__all__ = [
    "FailureGroup",
    "Filter",
    "Page",
    "Summary",
    "failure_groups",
    "find",
    "search",
    "summaries",
]

PAGE_EVENTS = 50
SEARCH_SECONDS = 0.15
FIND_EVENTS = 500
"""That a step of `find` gives, at the most."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a search found in its time."""

    events: list[Summary]
    cursor: str
    """Where to go on: the id of the last event that was looked at. Empty at the end."""
    looked_at: int
    """How many events were looked at for it."""
    began_ms: int | None
    """When the newest of those was received; None where there was none."""
    reached_ms: int | None
    """When the oldest of them was: how far the search has come."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The dead letters of one action and one error, in which numbers and ids are `#`."""

    id: str
    action: str
    """Empty: the events could not be read."""
    error: str
    count: int
    latest_ms: int
    """When the last of them died."""


def search(
    store: Store,
    wanted: Filter,
    *,
    size: int = PAGE_EVENTS,
    cursor: str = "",
    seconds: float = SEARCH_SECONDS,
) -> Page:
    """A page of the events that are meant, the newest first, after the page that ended with this cursor.

    It comes back after `seconds` with what it has by then, and with a cursor to go on from there: a page may
    be short, or empty, and not the last. Raises HooklineError for what is no cursor.
    """
    until = time.monotonic() + seconds
    events: list[Summary] = []
    looked_at, began, reached, next_cursor = 0, "", "", ""
    for step in walk(store, wanted, cursor, most=size):
        events += step.found
        looked_at += step.looked_at
        began, reached = began or step.began, step.reached or reached
        next_cursor = "" if step.is_last else reached
        if len(events) > size:
            next_cursor = reached = events[size - 1].id
        if len(events) >= size or time.monotonic() >= until:
            break
    began_ms, reached_ms = (received_ms(each) if each else None for each in (began, reached))
    return Page(events[:size], next_cursor, looked_at, began_ms, reached_ms)


def find(store: Store, wanted: Filter, *, after: str = "") -> Iterator[Summary]:
    """All events that are meant, from the newest or after this cursor, however long it takes."""
    for step in walk(store, wanted, after, most=FIND_EVENTS):
        yield from step.found


def failure_groups(store: Store, group: str | None = None) -> list[FailureGroup]:
    """The groups in which there are dead letters, the largest first; or this one, if there are any in it."""
    labels = (
        named(store.redis.hgetall(FAILURES_KEY))
        if group is None
        else {group: store.redis.hget(FAILURES_KEY, group)}
    )
    groups = {name: json.loads(what) for name, what in labels.items() if what}
    with store.redis.pipeline(transaction=False) as pipeline:
        for group in groups:
            pipeline.zcard(FAILURE_PREFIX + group)
            pipeline.zrevrange(FAILURE_PREFIX + group, 0, 0, withscores=True)
        answers = pipeline.execute()
    found = [
        FailureGroup(group, what["action"], what["error"], count, int(latest[0][1]))
        for (group, what), count, latest in zip(groups.items(), answers[::2], answers[1::2], strict=True)
        if latest
    ]
    return sorted(found, key=lambda group: (-group.count, -group.latest_ms))


def summaries(store: Store, ids: Sequence[str], action: str = "") -> Iterator[Summary]:
    """These events, those left out of which nothing is stored."""
    fields = [*SUMMARY_FIELDS, RUN_FIELD + action]
    with store.redis.pipeline(transaction=False) as pipeline:
        for event_id in ids:
            pipeline.hmget(EVENT_PREFIX + event_id, fields)
        rows = pipeline.execute()
    for event_id, row in zip(ids, rows, strict=True):
        if row[2] is not None:  # it was purged between the two commands
            yield summary(event_id, row, action)
