"""What becomes of events, seen by looking again and again: for a terminal, not for a million events."""

from __future__ import annotations

from dataclasses import dataclass

from hookline.keys import EVENT_PREFIX
from hookline.ledger import FINISHED, Run, runs_of
from hookline.operations import named
from hookline.store import Store

OVERLAP_MS = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it was at the last look."""

    id: str
    source: str
    type: str
    state: str
    received_at_ms: int
    runs: dict[str, Run]
    error: str

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in FINISHED


class Watch:
    """Each `look` gives the events that changed since the one before."""

    def __init__(self, store: Store, *, since_ms: int) -> None:
        self._store = store
        self._since_ms = since_ms
        self._events: dict[str, Seen] = {}

    @property
    def events(self) -> list[Seen]:
        """Every event seen so far, as it was last, in the order of receipt."""
        return list(self._events.values())

    def look(self) -> list[Seen]:
        """The events that are new, or are not as they were."""
        redis = self._store.redis
        recent = self._store.event_ids(self._since_ms)
        unfinished = [event_id for event_id, seen in self._events.items() if not seen.is_finished]
        new = [event_id for event_id in recent if event_id not in self._events]
        with redis.pipeline(transaction=False) as pipeline:
            for event_id in (ids := [*unfinished, *new]):
                pipeline.hgetall(EVENT_PREFIX + event_id)
            rows = pipeline.execute()
        changed = []
        for event_id, row in zip(ids, rows, strict=True):
            seen = _seen(event_id, named(row))
            if seen is not None and seen != self._events.get(event_id):
                self._events[event_id] = seen
                changed.append(seen)
                # a little back, as several receivers' clocks may differ
                self._since_ms = max(self._since_ms, seen.received_at_ms - OVERLAP_MS)
        return changed


def _seen(event_id: str, fields: dict[str, bytes]) -> Seen | None:
    if not fields:
        return None
    return Seen(
        event_id,
        fields["source"].decode(),
        fields.get("type", b"").decode(),
        fields["state"].decode(),
        int(fields["received_at"]),
        runs_of(fields),
        fields.get("error", b"").decode(),
    )
