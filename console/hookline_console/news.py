"""What a list of events must be told while it is watched: what is new, and what is no longer as it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hookline.filters import Filter
from hookline.index import search, summaries
from hookline.ledger import FINISHED
from hookline.live import OVERLAP_MS, Live, Seen
from hookline.store import Store
from hookline.walk import Summary
from hookline_console.rows import Row, row, rows


@dataclass(frozen=True, slots=True)
class Change:
    """A row that is new or another."""

    row: Row
    fits: bool
    """Whether the list is of events like this one; if not, it only changes where it is shown already."""


class News:
    """Each `look` gives what has changed in the list of these events since the one before, or else since
    the list was made, of which the oldest event under way was received at `from_ms`."""

    def __init__(self, store: Store, meant: Filter, *, from_ms: int) -> None:
        self._store, self._meant = store, meant
        # what finished after the list was made, and before it was watched, may only now be of its type
        self._live = Live(store, replace(meant, since_ms=from_ms), finished_since_ms=from_ms - OVERLAP_MS)
        self._shown: dict[str, Summary] = {}
        self._show(search(store, meant).events)

    def look(self) -> list[Change]:
        """The changes, the oldest event first."""
        seen = self._live.look()
        left = self._left()
        self._show(map(_summary, seen))
        changes = [Change(row(_summary(each), each.runs.values(), each.error), fits=True) for each in seen]
        changes += [Change(each, fits=False) for each in rows(self._store, left)]
        return sorted(changes, key=lambda change: change.row.summary.id)

    def _left(self) -> list[Summary]:
        """Events that were shown for their state, and have another now: nobody else tells of those."""
        left = [
            each
            for each in summaries(self._store, list(self._shown), self._meant.action or "")
            if self._state(each) != self._meant.state
        ]
        for each in left:
            del self._shown[each.id]
        return left

    def _show(self, events: Iterable[Summary]) -> None:
        """Remember those that can come to have another state than the one that is asked for."""
        if self._meant.state is not None and self._meant.state not in FINISHED:
            self._shown |= {each.id: each for each in events}

    def _state(self, summary: Summary) -> str | None:
        return summary.run_state if self._meant.action else summary.state


def _summary(seen: Seen) -> Summary:
    return Summary(
        seen.id, seen.source, seen.type, seen.state, seen.received_at_ms, seen.repeats, seen.replays
    )
