"""What happened to an event, moment by moment in the order of time: attempts, repeats, replays, its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from hookline.ledger import Attempt, Run

Kind = Literal["received", "attempt", "repeat", "replay", "due", "done", "dead"]

_RANKS: dict[str, int] = {"replay": 0, "attempt": 1, "repeat": 2, "done": 3, "dead": 3}
"""In which order moments of the same millisecond go."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One of them."""

    at_ms: int
    kind: Kind
    outcome: Literal["", "ok", "failed", "running"] = ""
    """Of an attempt."""
    action: str = ""
    number: int = 0
    """Which attempt or replay it was, from 1; of repeats, how many there were."""
    milliseconds: int | None = None
    error: str = ""
    traceback: str = ""
    is_about: bool = False
    """Whether its time is not known better than by what came after."""


def timeline(fields: dict[str, bytes], runs: dict[str, Run], past: dict[int, dict[str, Run]]) -> list[Moment]:
    """Every moment that is known, the oldest first, and what is still to come at the end."""
    received_at_ms = int(fields["received_at"])
    moments = [
        *_replays(fields, past),
        *(moment for each in past.values() for run in each.values() for moment in _attempts(run)),
        *(moment for run in runs.values() for moment in _attempts(run)),
        *_events_own(fields),
    ]
    # clocks of several machines differ a little: nothing was before it was received
    moments.sort(key=lambda moment: (max(moment.at_ms, received_at_ms), _RANKS[moment.kind]))
    due = [
        Moment(run.due_at_ms, "due", action=run.action, number=len(run.attempts) + 1)
        for run in runs.values()
        if run.due_at_ms is not None and not run.is_final
    ]
    return [Moment(received_at_ms, "received"), *moments, *sorted(due, key=lambda moment: moment.at_ms)]


def _attempts(run: Run) -> Iterator[Moment]:
    for number, attempt in enumerate(run.attempts, 1):
        yield Moment(
            attempt.started_at_ms,
            "attempt",
            _outcome(attempt),
            run.action,
            number,
            attempt.milliseconds,
            attempt.error or "",
            attempt.traceback or "",
        )


def _outcome(attempt: Attempt) -> Literal["ok", "failed", "running"]:
    if attempt.error:
        return "failed"
    return "running" if attempt.milliseconds is None else "ok"


def _replays(fields: dict[str, bytes], past: dict[int, dict[str, Run]]) -> Iterator[Moment]:
    """Each replay; of all but the last one only the first attempt after it is known, not its own time."""
    last = number_in(fields, "replays")
    for number in range(1, last):
        began = _began_at(past.get(number + 1, {}))
        if began is not None:
            yield Moment(began, "replay", number=number, is_about=True)
    if last:
        yield Moment(number_in(fields, "replayed_at") or int(fields["received_at"]), "replay", number=last)


def _began_at(runs: dict[str, Run]) -> int | None:
    return min((run.attempts[0].started_at_ms for run in runs.values() if run.attempts), default=None)


def _events_own(fields: dict[str, bytes]) -> Iterator[Moment]:
    """What happened to the event itself and to none of its runs."""
    state, finished_at = fields["state"].decode(), number_in(fields, "finished_at")
    if repeats := number_in(fields, "repeats"):
        at_ms = number_in(fields, "repeated_at")
        yield Moment(at_ms or int(fields["received_at"]), "repeat", number=repeats, is_about=not at_ms)
    if finished_at and state in ("done", "dead"):
        error = fields.get("error", b"").decode("utf-8", "backslashreplace")
        yield Moment(finished_at, "dead" if state == "dead" else "done", error=error)


def number_in(fields: dict[str, bytes], name: str) -> int:
    """A field that is a number, 0 where it isn't there."""
    return int(fields.get(name) or 0)
