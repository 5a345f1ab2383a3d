"""Takes the totals apart that are kept in one hash: `<what>:<source>`, `runs:<outcome>:<action>`, …"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from hookline.figures.kinds import COMMIT_BOUNDS_MS, GROUP_BOUNDS, RUN_BOUNDS_MS, CommitFigures

OF_SOURCES = {
    **{name: name for name in ("received", "repeated", "done", "dead", "replayed", "purged", "spooled")},
    **{name: name for name in ("open", "retrying", "paused")},
    "last": "last_at_ms",
}
"""What is counted of sources, and what `SourceFigures` calls it."""
OF_COMMITS = {"commits": "count", "commit_events": "events", "commit_ms": "total_ms"}


class Counters:
    """The totals by what they are of, as the fields of their figures."""

    def __init__(self, totals: Mapping[str, bytes]) -> None:
        self.sources: dict[str, dict[str, Any]] = defaultdict(dict)
        self.actions: dict[str, dict[str, Any]] = defaultdict(lambda: {"buckets": empty(RUN_BOUNDS_MS)})
        self.rejected: dict[str, int] = {}
        self._commits: dict[str, Any] = {
            "buckets": empty(COMMIT_BOUNDS_MS),
            "group_buckets": empty(GROUP_BOUNDS),
        }
        for name, value in totals.items():
            self._add(name, int(value))

    @property
    def commits(self) -> CommitFigures:
        """Of the receivers' commits."""
        return CommitFigures(**self._commits)

    def _add(self, name: str, value: int) -> None:
        what, _, of = name.partition(":")
        detail, _, rest = of.partition(":")
        match what:
            case _ if what in OF_SOURCES and of:
                self.sources[of][OF_SOURCES[what]] = value
            case "rejected" if rest:
                self.sources[rest].setdefault("rejected", {})[detail] = value
            case "rejected":
                self.rejected[detail] = value
            case "runs":
                self.actions[rest][detail] = value
            case "run_ms":
                self.actions[of]["total_ms"] = value
            case "run_le":
                self.actions[rest]["buckets"][float(detail)] = value
            case "commit_le":
                self._commits["buckets"][float(of)] = value
            case "group_le":
                self._commits["group_buckets"][float(of)] = value
            case _ if what in OF_COMMITS:
                self._commits[OF_COMMITS[what]] = value


def empty(bounds: Sequence[float]) -> dict[float, int]:
    """Buckets with nothing in them."""
    return dict.fromkeys(bounds, 0)
