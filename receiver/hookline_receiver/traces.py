"""The spans of a delivery: `receive <source>`, and in it `commit`, which the event's runs follow.

A verified sender's own trace is carried on. What is refused before that makes no span, so that a stranger
cannot fill anybody's collector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline.providers import Delivery
from hookline_receiver.waiting import Outcome

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Span, Tracer


class Traced:
    """One delivery whose trace is recorded."""

    def __init__(self, receive: Span, commit: Span) -> None:
        self._receive, self._commit = receive, commit
        self.trace_id, self.traceparent = commit.trace_id, commit.traceparent

    def end(self, event_id: str, outcome: Outcome) -> None:
        """It is committed, a repeat, or neither, and answered so."""
        if isinstance(outcome, NotCommittedError):
            self._commit.fail(f"NotCommittedError: {outcome}")
            self._commit.end()
            self._receive.fail(f"NotCommittedError: {outcome}")
            self._receive.end({"http.response.status_code": 503})
        else:
            self._commit.end()
            self._receive.end(
                {
                    "http.response.status_code": 202,
                    "hookline.event_id": outcome,
                    "hookline.duplicate": outcome != event_id,
                }
            )


def trace(tracer: Tracer, event: RawEvent, delivery: Delivery, *, is_verified: bool) -> Traced | None:
    """The spans of this delivery, which begin now; None if its trace is not recorded."""
    receive = tracer.span(
        f"receive {event.source}",
        "server",
        {
            "hookline.source": event.source,
            "hookline.provider": event.provider,
            "http.request.method": "POST",
            "http.route": f"/hooks/{event.source}",
            "http.request.body.size": len(event.body),
        },
        parent=_traceparent(delivery) if is_verified else "",
    )
    commit = receive and tracer.span("commit", "producer", {}, parent=receive.traceparent)
    return Traced(receive, commit) if receive and commit else None


def _traceparent(delivery: Delivery) -> str:
    """The sender's, if there is one and no more than that."""
    found = [value for name, value in delivery.headers if name.lower() == b"traceparent"]
    return found[0].decode("latin-1").strip() if len(found) == 1 else ""
