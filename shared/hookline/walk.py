"""Looking through events from the newest, a step at a time, each one call of `search.lua`.

No step keeps Redis from its work for more than a few milliseconds, however many events there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from redis.commands.core import Script

from hookline.by_state import narrowed
from hookline.filters import Bounds, Filter, bounds, matching, spellings
from hookline.keys import EVENT_PREFIX, EVENTS_PREFIX, INDEX_KEY
from hookline.ledger import RUN_FIELD, Run
from hookline.operations import text
from hookline.scripts import script
from hookline.store import Store

LOOKS = 250
"""Events that a step looks at."""
BYTES = 2**17
"""Of bodies that a step searches; one that is larger is searched alone."""
SUMMARY_FIELDS = ("source", "type", "state", "received_at", "repeats", "replays")


@dataclass(frozen=True, slots=True)
class Summary:
    """An event as a line of a listing."""

    id: str
    source: str
    type: str
    """Empty until a worker has read it."""
    state: str
    received_at_ms: int
    repeats: int
    """How often the sender sent it again."""
    replays: int
    run_state: str | None = None
    """The state of the run that was asked for, if there is one."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one call found."""

    found: list[Summary]
    looked_at: int
    began: str
    """The id of the first event that was looked at; empty where there was none."""
    reached: str
    """The id of the last one."""
    is_last: bool


def walk(store: Store, wanted: Filter, cursor: str = "", *, most: int) -> Iterator[Step]:
    """Steps through all events that are meant, after this cursor; each finds so many at the most.

    Raises HooklineError for what is no cursor.
    """
    within = bounds(wanted, cursor)
    if within is None:
        return
    names = store.index_names()
    within, ids = narrowed(store, wanted, within, matching(names, wanted))
    call = _Call(store, wanted, most)
    if ids is None:
        yield from _along_the_index(call, wanted, within, names)
    else:
        yield from _through(call, wanted, within, ids, names)


def among(store: Store, wanted: Filter, ids: Iterable[str]) -> Iterator[Summary]:
    """Those of these events that are meant, from the newest."""
    within = bounds(wanted, "")
    if within is not None:
        newest_first = sorted(filter(within.has, ids), reverse=True)
        call = _Call(store, wanted, LOOKS)
        for step in _through(call, wanted, within, newest_first, store.index_names()):
            yield from step.found


class _Call:
    """`search.lua` with what is wanted."""

    def __init__(self, store: Store, wanted: Filter, most: int) -> None:
        self._script: Script = store.redis.register_script(script("search"))
        self._action = wanted.action or ""
        self._wanted: dict[str, Any] = {
            "prefix": EVENT_PREFIX,
            "fields": [*SUMMARY_FIELDS, RUN_FIELD + self._action],
            "most": most,
            "looks": LOOKS,
            "bytes": BYTES,
            "state": wanted.state,
            "action": wanted.action,
            "failure": wanted.failure,
            "texts": spellings(wanted.text) if wanted.text else None,
        }

    def __call__(
        self,
        within: Bounds,
        keys: Iterable[str] = (),
        ids: Iterable[str] = (),
        names: list[str] | None = None,
    ) -> tuple[Step, set[str]]:
        """A step, and the names that were in the index at that moment."""
        wanted = self._wanted | {
            "before": within.before,
            "before_ms": str(within.before_ms),
            "low": within.low,
            "names": names,
        }
        there = {name: value for name, value in wanted.items() if value is not None}
        answer = self._script(keys=[INDEX_KEY, *keys], args=[_json(there), *ids])
        is_last, looked_at, began, reached, all_names, found = answer
        summaries = [
            summary(event_id.decode(), row, self._action)
            for event_id, row in zip(found[::2], found[1::2], strict=True)
            if row[2] is not None  # it was purged, and the set is behind
        ]
        step = Step(summaries, looked_at, began.decode(), reached.decode(), bool(is_last))
        return step, set(text(all_names))


def _along_the_index(call: _Call, wanted: Filter, within: Bounds, names: set[str]) -> Iterator[Step]:
    while True:
        keys = [EVENTS_PREFIX + name for name in matching(names, wanted)]
        step, names_then = call(within, keys)
        is_behind = not names_then <= names  # an event may just have moved to where nobody looked
        names = names_then
        if is_behind:
            continue
        yield step
        if step.is_last:
            return
        within = Bounds(within.low, step.reached)


def _through(call: _Call, wanted: Filter, within: Bounds, ids: list[str], names: set[str]) -> Iterator[Step]:
    named = None if wanted.source is None and wanted.type is None else matching(names, wanted)
    at = 0
    while at < len(ids):
        step, _ = call(within, ids=ids[at : at + LOOKS], names=named)
        at += step.looked_at
        yield replace(step, is_last=at == len(ids))


def summary(event_id: str, row: list[bytes | None], action: str = "") -> Summary:
    """What `SUMMARY_FIELDS` and the run's field say."""
    source, kind, state, received_at, repeats, replays, run = row
    return Summary(
        event_id,
        (source or b"").decode(),
        (kind or b"").decode(),
        (state or b"").decode(),
        int(received_at or 0),
        int(repeats or 0),
        int(replays or 0),
        Run.from_json(action, run).state if run else None,
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
