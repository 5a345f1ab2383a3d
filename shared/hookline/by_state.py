"""Events of a state that few are in: they need not be looked for among all."""

from __future__ import annotations

from hookline.filters import Bounds, Filter
from hookline.keys import DEAD_PREFIX, DONE_PREFIX, EVENTS_PREFIX, FAILURE_PREFIX, OPEN_KEY
from hookline.operations import text
from hookline.store import Store

FEW = 20_000
"""So many ids are read and sorted; with more of them it is better to go along the index."""
CLOCKS_MS = 60_000
"""A receiver's clock, which an event's id is from, may be ahead of Redis's by so much."""


def narrowed(
    store: Store, wanted: Filter, within: Bounds, named: list[str]
) -> tuple[Bounds, list[str] | None]:
    """The ids within which all events are that can be meant, and where they are few, these, the newest first.

    `named` are the `<source>/<type>` that are meant.
    """
    if within.is_one:
        return within, [within.low]
    by_state = _sets(wanted, named)
    if not by_state:
        return within, None
    with store.redis.pipeline(transaction=False) as pipeline:
        for key in by_state:
            pipeline.scard(key) if key == OPEN_KEY else pipeline.zcard(key)
        for name in named:
            pipeline.zcount(EVENTS_PREFIX + name, within.low_ms, within.before_ms)
        sizes = pipeline.execute()
    count, in_the_index = sum(sizes[: len(by_state)]), sum(sizes[len(by_state) :])
    if count > min(FEW, in_the_index):
        return _until_the_latest(store, within, by_state), None
    with store.redis.pipeline() as pipeline:  # at one moment, as an event goes from one to another
        for key in by_state:
            pipeline.smembers(key) if key == OPEN_KEY else pipeline.zrange(key, 0, -1)
        ids = {event_id for members in pipeline.execute() for event_id in text(members)}
    return within, sorted(filter(within.has, ids), reverse=True)


def _until_the_latest(store: Store, within: Bounds, by_state: list[str]) -> Bounds:
    """Nothing finished before it was received: so what is newer than the latest end is not looked at."""
    if OPEN_KEY in by_state:
        return within
    with store.redis.pipeline(transaction=False) as pipeline:
        for key in by_state:
            pipeline.zrevrange(key, 0, 0, withscores=True)
        latest = max((int(pair[0][1]) for pair in pipeline.execute() if pair), default=0)
    return within.until(latest + CLOCKS_MS)


def _sets(wanted: Filter, named: list[str]) -> list[str]:
    """The sets that together have every event of the state; none where there is no such set."""
    if wanted.failure is not None:
        return [FAILURE_PREFIX + wanted.failure]
    sources = sorted({name.partition("/")[0] for name in named})
    match wanted.state, wanted.action is not None:
        case (None, _) | ("done", True):  # a run may be done in an event in any state
            return []
        case "done", False:
            return [DONE_PREFIX + source for source in sources]
        case "dead", with_action:
            return [DEAD_PREFIX + source for source in sources] + [OPEN_KEY] * with_action
        case _:
            return [OPEN_KEY]
