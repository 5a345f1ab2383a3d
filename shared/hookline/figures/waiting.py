"""For how long events have waited for a worker: looked up at the heads of the lanes, where the oldest are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from hookline.figures.asking import ask
from hookline.figures.processes import event_ids
from hookline.keys import EVENT_PREFIX
from hookline.lanes import MIXED_LANE, REPLAY_LANE
from hookline.store import Store

JOBS = 8
"""So many of each lane are looked at: the first ones may be retries, which are not what is waited for."""
EVENTS = 8
"""So many of a job whose events may be of several sources."""
IN_QUEUE = ""
"""What the RQ queue itself is called here: jobs that are not sorted into their lanes yet."""
_OF_SEVERAL_SOURCES = (IN_QUEUE, MIXED_LANE, REPLAY_LANE)


class Head(NamedTuple):
    """A job at the head of a lane."""

    lane: str
    data: bytes | None


def oldest_waiting(
    store: Store, heads: Iterable[Head], paused: Collection[str], at_ms: int
) -> dict[str, int]:
    """By source, for how many ms its oldest event has waited; nothing of sources that are paused.

    An event that was replayed has waited since then. One that waits to be retried is not looked at: when
    its turn came is not known.
    """
    ids = [event_id for head in heads for event_id in _first_ids(head)]
    ages: dict[str, int] = {}
    for event_id, (source, state, replayed_at) in zip(ids, _events(store, ids), strict=True):
        if source is None or state != b"queued" or source.decode() in paused:
            continue
        name = source.decode()
        since = int(replayed_at or 0) or int(event_id[:12], 16)
        ages[name] = max(ages.get(name, 0), at_ms - since)
    return ages


def _first_ids(head: Head) -> Sequence[str]:
    ids = sorted(event_ids(head.data))
    return ids[: EVENTS if head.lane in _OF_SEVERAL_SOURCES else 1]


def _events(store: Store, ids: Sequence[str]) -> list[Any]:
    return ask(
        store.redis, [("HMGET", EVENT_PREFIX + each, "source", "state", "replayed_at") for each in ids]
    )
