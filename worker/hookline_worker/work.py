"""An event in the hands of a worker: parsed, with the runs that are still to be done."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hookline.errors import ParseError, SettingsError
from hookline.events import AnyEvent
from hookline.ledger import FINISHED, RUN_FIELD, Ended, EventState, Run, runs_of
from hookline.store import Change
from hookline.stored import stored_event

UNSEEN_DEATHS = 3
"""After so many deaths that nobody saw, what was under way counts as having failed."""
IDLE_DEATHS = 5
"""After so many deaths before any run could start, the event is a dead letter: reading it kills."""


@dataclass(slots=True)
class Work:
    """One leased event."""

    id: str
    source: str
    received_at: datetime
    event: AnyEvent
    runs: dict[str, Run]
    """Every run in the ledger and every one about to be, by action."""
    only: str | None
    """The one action that a replay asked for."""
    is_replay: bool
    deaths: int
    """How often a process died while it had this event."""
    death: str
    """Why, the last time, if anybody saw it."""
    trace: str = ""
    """The W3C `traceparent` that its runs belong to; empty where it is not traced."""
    untold_type: str = ""
    """The event's type, until it goes with the next record."""
    changed: set[str] = field(default_factory=set)
    """Actions whose runs are not in the ledger as they are here."""
    ended: list[Ended] = field(default_factory=list)
    """Attempts of them that are not counted yet."""
    is_newly_paused: bool = False
    """Whether a run of it waits from now on, its action being paused."""
    underway: int = 0
    """Runs that are executing right now."""
    open: int = 0
    """Runs that are executing or waiting here for their next attempt."""
    quiet: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing of this event is executing any more."""

    def begin(self) -> None:
        """A run of this event starts to execute."""
        self.underway += 1
        self.quiet.clear()

    def end(self) -> None:
        """A run of this event executes no longer."""
        self.underway -= 1
        if self.underway == 0:
            self.quiet.set()

    def news(self) -> Change:
        """What is to be written for the ledger to be as it is here; it counts as written from now on."""
        fields = {RUN_FIELD + name: self.runs[name].to_json() for name in self.changed}
        change = Change(self.id, fields, type=self.untold_type, ended=self.ended)
        self.untold_type, self.ended = "", []
        self.changed.clear()
        return change

    def state(self) -> EventState:
        """What the event's state is, going by its runs."""
        states = {run.state for run in self.runs.values()}
        if "running" in states:  # one that has not begun, and is left to another worker
            return "queued"
        if not states <= {*FINISHED, "paused"}:
            return "retrying"
        return "paused" if "paused" in states else "dead" if "dead" in states else "done"

    def due_at_ms(self) -> int:
        """When the first of its runs is due that another worker, or a later look, is to begin."""
        waiting = (run for run in self.runs.values() if not run.is_final and run.state != "paused")
        return min(run.due_at_ms or 0 for run in waiting)

    def paused(self) -> list[str]:
        """The actions whose runs wait until they are resumed."""
        return [run.action for run in self.runs.values() if run.state == "paused"]


def read(event_id: str, fields: dict[str, bytes]) -> Work:
    """The work that an event's fields stand for; raises ParseError."""
    try:
        return _read(event_id, fields)
    except ParseError:
        raise
    except SettingsError as error:
        raise ParseError(str(error)) from error
    except Exception as error:  # foreign: the provider may come from any package, the fields from any version
        raise ParseError(f"it cannot be read: {type(error).__name__}: {error}") from error


def _read(event_id: str, fields: dict[str, bytes]) -> Work:
    runs = runs_of(fields)
    deaths, death = int(fields.get("deaths", 0)), fields.get("death", b"").decode()
    _refuse_killers(deaths, death, runs)
    event = stored_event(fields)
    only = fields.get("only", b"").decode()
    return Work(
        id=event_id,
        source=fields["source"].decode(),
        received_at=datetime.fromtimestamp(int(fields["received_at"]) / 1000, UTC),
        event=event,
        runs=runs,
        only=only or None,
        is_replay=int(fields.get("replays", 0)) > 0,
        deaths=deaths,
        death=death,
        trace=fields.get("trace", b"").decode(),
        untold_type=event.type,  # known before or not: where it is indexed may be of an earlier version
    )


def interrupted(work: Work, run: Run) -> str | None:
    """Why the last attempt of this run failed with its process, if that is to count; else it is forgotten.

    A run that is noted as under way was started with `deaths` at 1: more means that its process died.
    """
    if run.state != "running" or not run.attempts:
        return None
    if work.deaths > 1 and not work.death:
        run.unseen_deaths += 1
    if work.deaths > 1 and (work.death or run.unseen_deaths >= UNSEEN_DEATHS):
        reason = f"process died: {work.death or f'{run.unseen_deaths} times, unseen'}"
        run.unseen_deaths = 0
        return reason
    run.attempts.pop()
    return None


def _refuse_killers(deaths: int, death: str, runs: dict[str, Run]) -> None:
    """Do not even try to read an event that has killed too many processes before any run could start."""
    if deaths >= IDLE_DEATHS and not any(run.state == "running" for run in runs.values()):
        raise ParseError(
            f"{deaths} processes died before an action could run on it, the last one: {death or 'unseen'}"
        )
