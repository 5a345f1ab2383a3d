"""Runs that were executed again: which of them may have been, and which should never have been."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from chaos.records import Execution, Kill, Records, Write

GATHER_SECONDS = 0.010
"""What has ended for less long than this need not have been recorded."""
RECENT_SECONDS = 1.0
"""For so long a recorder that met an outage may not yet have tried again."""


@dataclass(slots=True)
class Repeats:
    """What was executed more often than it was planned to be."""

    unexcused: list[str] = field(default_factory=list)
    """Each with what speaks against it."""
    too_early: list[str] = field(default_factory=list)
    """Those whose process was killed, but after they should have been recorded."""
    excused: Counter[str] = field(default_factory=Counter)
    """How many, by why their process died."""
    under_way: int = 0
    """Of the excused ones, those that had not ended when their process died."""
    oldest_ms: float = 0.0
    """Of the excused ones that had ended while Redis took writes: how long before the kill, at most."""


def find_repeats(records: Records) -> Repeats:
    """Every execution of a run that had already been executed for the same attempt, or to its good end."""
    found = Repeats()
    killed: dict[int, Kill] = {kill.pid: kill for kill in records.kills}
    for earlier, again in _pairs(records.executions):
        kill = killed.get(earlier.pid)
        if kill is None or earlier.began > kill.at:
            found.unexcused.append(f"{_say(earlier, again)}: nobody killed its process {earlier.pid}")
            continue
        if earlier.ended is None or earlier.ended >= kill.at:
            found.under_way += 1
        elif earlier.ended < (since := unrecorded_since(kill.at, records.writes)):
            found.too_early.append(
                f"{_say(earlier, again)}: it ended {since - earlier.ended:.3f} s too early"
            )
            continue
        elif since >= kill.at - RECENT_SECONDS:
            found.oldest_ms = max(found.oldest_ms, 1000 * (kill.at - earlier.ended))
        found.excused[kill.why] += 1
    found.unexcused += _stored_twice(records)
    return found


def unrecorded_since(moment: float, writes: Sequence[Write]) -> float:
    """From when on what ended need not have been recorded by this moment.

    10 ms, and one write: as long as the slowest one of the second before. Where one of that second failed,
    Redis was away: from the beginning of the last one that it took before.
    """
    until = bisect_left(writes, moment, key=_ended)
    first = bisect_left(writes, moment - RECENT_SECONDS, key=_ended)
    recent = writes[first:until]
    if recent and all(write.is_done for write in recent):
        under_way = [moment - write.began for write in writes[until : until + 1] if write.began <= moment]
        return moment - max([*(write.ended - write.began for write in recent), *under_way]) - GATHER_SECONDS
    last = next((number for number in range(first, until) if not writes[number].is_done), until)
    while last > 0 and not writes[last - 1].is_done:
        last -= 1
    return (writes[last - 1].began if last else -math.inf) - GATHER_SECONDS


def _ended(write: Write) -> float:
    return write.ended


def _pairs(executions: Sequence[Execution]) -> Iterator[tuple[Execution, Execution]]:
    """Each execution that should have been the only one, with the one that repeats it."""
    runs: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        runs[execution.key].append(execution)
    for same in runs.values():
        for earlier, again in pairwise(same):
            if earlier.action == "poison":
                continue  # it is meant to be tried again, and does no more than to die
            if again.attempt <= earlier.attempt or earlier.outcome in ("done", ""):
                yield earlier, again


def _stored_twice(records: Records) -> list[str]:
    """Deliveries that became two events, which are then both run under keys of their own."""
    times: dict[tuple[str, str], list[str]] = defaultdict(list)
    for stored in records.stored.values():
        times[stored.source, stored.delivery].append(stored.event_id)
    return [
        f"delivery {delivery} of {source} is stored {len(ids)} times: {', '.join(sorted(ids))}"
        for (source, delivery), ids in times.items()
        if len(ids) > 1
    ]


def _say(earlier: Execution, again: Execution) -> str:
    return f"{earlier.key} (attempt {earlier.attempt}, then {again.attempt} in process {again.pid})"
