"""The spans of runs: `run <action>` for each attempt, and before the first one how long the event has waited.

They are of the trace that the receiver began and stored with the event. A replay is a new beginning: each
of its attempts has a trace of its own that links to the first one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hookline.about import about
from hookline.ledger import Run
from hookline_worker.attempts import Outcome
from hookline_worker.work import Work

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Span, Tracer


class Traces:
    """Of the events of one group, as far as they are traced."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._under_way: dict[tuple[str, str], Span] = {}

    def waited(self, work: Work) -> None:
        """The event is in a worker's hands for the first time."""
        if work.trace and not (work.runs or work.is_replay or work.deaths):
            began_at_ms = round(work.received_at.timestamp() * 1000)
            span = self._tracer.span(
                "wait", "internal", _of(work), parent=work.trace, began_at_ms=began_at_ms
            )
            if span is not None:
                span.end()

    def unread(self, event_id: str, trace: str, error: str) -> None:
        """The event cannot be read, and so nothing runs."""
        span = self._tracer.span("read", "consumer", {"hookline.event_id": event_id}, parent=trace)
        if trace and span is not None:
            span.fail(f"ParseError: {error}")
            span.end({"hookline.outcome": "dead"})

    @contextlib.contextmanager
    def attempt(self, work: Work, action: str, number: int) -> Iterator[None]:
        """While an attempt is made: what is traced meanwhile is within its span, which `end` ends."""
        span = self._begin(work, action, number) if work.trace else None
        if span is None:
            with self._tracer.untraced():
                yield
            return
        self._under_way[work.id, action] = span
        with span.current(), about(trace_id=span.trace_id):
            yield

    def end(self, work: Work, run: Run, outcome: Outcome) -> None:
        """An attempt has ended so, and its run says what follows; it may never have come to be traced."""
        if not work.trace:
            return
        span = self._under_way.pop((work.id, run.action), None) or self._begin(
            work, run.action, len(run.attempts), began_at_ms=run.attempts[-1].started_at_ms
        )
        if span is not None:
            if outcome.error is not None:
                span.fail(outcome.error, outcome.traceback)
            span.end({"hookline.outcome": run.state})

    def _begin(self, work: Work, action: str, number: int, began_at_ms: int | None = None) -> Span | None:
        return self._tracer.span(
            f"run {action}",
            "consumer",
            {**_of(work), "hookline.action": action, "hookline.attempt": number},
            parent="" if work.is_replay else work.trace,
            link=work.trace if work.is_replay else "",
            began_at_ms=began_at_ms,
        )


def _of(work: Work) -> dict[str, str | int | bool]:
    return {
        "hookline.event_id": work.id,
        "hookline.source": work.source,
        "hookline.type": work.event.type,
        "hookline.replay": work.is_replay,
    }
