"""One event for its page: what Redis holds of it, as facts, runs and moments."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hookline.ledger import FINISHED, Run, past_runs_of, runs_of
from hookline.references import STRUCK_OUT
from hookline_console.timeline import Moment, number_in, timeline


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it is stored."""

    name: str
    value: str

    @property
    def is_struck_out(self) -> bool:
        """Whether its value was a secret."""
        return self.value == STRUCK_OUT


@dataclass(frozen=True, slots=True)
class RunView:
    """What one action did with the event, in a line."""

    action: str
    state: str
    attempts: int
    total_ms: int
    """The attempts' own time, without the waits between them."""
    error: str
    """Of the last attempt."""
    due_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """One event."""

    id: str
    source: str
    provider: str
    type: str
    state: str
    received_at_ms: int
    finished_at_ms: int | None
    error: str
    """Why it could not be read."""
    repeats: int
    replays: int
    only: str
    """The one action that the last replay asked for."""
    bulk: str
    """The bulk replay that last took it."""
    deaths: int
    death: str
    trace: str
    """The id of its trace."""
    headers: list[Header]
    runs: list[RunView]
    moments: list[Moment]
    failures: list[str]
    """The groups of dead letters that it is in."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it by itself; only then can it be replayed."""
        return self.state in FINISHED

    @property
    def actions(self) -> list[str]:
        """Every action that it has ever run on, which a replay can ask for."""
        return sorted(
            {run.action for run in self.runs} | {each.action for each in self.moments if each.action}
        )


def story(event_id: str, fields: dict[str, bytes]) -> Story:
    """The story that an event's fields tell; there must be some."""

    def text(name: str) -> str:
        return fields.get(name, b"").decode("utf-8", "backslashreplace")

    runs = runs_of(fields)
    return Story(
        id=event_id,
        source=text("source"),
        provider=text("provider"),
        type=text("type"),
        state=text("state"),
        received_at_ms=int(fields["received_at"]),
        finished_at_ms=number_in(fields, "finished_at") or None,
        error=text("error"),
        repeats=number_in(fields, "repeats"),
        replays=number_in(fields, "replays"),
        only=text("only"),
        bulk=text("replay"),
        deaths=number_in(fields, "deaths"),
        death=text("death"),
        trace=[*text("trace").split("-"), ""][1],
        headers=[Header(str(name), str(value)) for name, value in json.loads(fields["headers"])],
        runs=[_view(run) for _, run in sorted(runs.items())],
        moments=timeline(fields, runs, past_runs_of(fields)),
        failures=text("failures").split(),
    )


def _view(run: Run) -> RunView:
    return RunView(
        action=run.action,
        state=run.state,
        attempts=len(run.attempts),
        total_ms=sum(attempt.milliseconds or 0 for attempt in run.attempts),
        error=run.error or "",
        due_at_ms=run.due_at_ms,
    )
