"""Reading stored events: by id, or a filtered listing from the newest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hookline.keys import EVENT_PREFIX
from hookline.ledger import RUN_FIELD, Run
from hookline.operations import batches
from hookline.store import Store

PAGE = 500
SUMMARY_FIELDS = ("source", "type", "state", "received_at", "repeats", "replays")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are meant. Empty fields match everything; `type` is a pattern."""

    source: str | None = None
    type: str | None = None
    state: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    action: str | None = None
    """Only events that this action has run on; `state` is then the run's, not the event's."""

    def matches(self, summary: Summary) -> bool:
        """Whether an event is meant, its time aside."""
        return (
            (self.source is None or summary.source == self.source)
            and (self.state is None or self.state == (summary.run_state if self.action else summary.state))
            and (self.action is None or summary.run_state is not None)
            and (self.type is None or fnmatchcase(summary.type, self.type))
        )


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


def find(store: Store, wanted: Filter) -> Iterator[Summary]:
    """The events that are meant, from the newest."""
    for ids in batches(store.event_ids(wanted.since_ms)[::-1], PAGE):
        for summary in summaries(store, ids, wanted.action or ""):
            if wanted.matches(summary) and _within(summary, wanted):
                yield summary


def _within(summary: Summary, wanted: Filter) -> bool:
    since, until = wanted.since_ms, wanted.until_ms
    at = summary.received_at_ms
    return (since is None or at >= since) and (until is None or at <= until)


def summaries(store: Store, ids: Sequence[str], action: str = "") -> Iterator[Summary]:
    """These events, those left out of which nothing is stored."""
    fields = [*SUMMARY_FIELDS, RUN_FIELD + action]
    with store.redis.pipeline(transaction=False) as pipeline:
        for event_id in ids:
            pipeline.hmget(EVENT_PREFIX + event_id, fields)
        rows = pipeline.execute()
    for event_id, (source, kind, state, received_at, repeats, replays, run) in zip(ids, rows, strict=True):
        if state is not None:  # it was purged between the two commands
            yield Summary(
                event_id,
                source.decode(),
                (kind or b"").decode(),
                state.decode(),
                int(received_at),
                int(repeats or 0),
                int(replays or 0),
                Run.from_json(action, run).state if run else None,
            )
