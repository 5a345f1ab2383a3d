"""The record of an event's runs: what each action did with it, attempt by attempt.

A run is one `run:<action>` field of the event's hash, as JSON.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic_core import from_json, to_json

RunState = Literal["running", "retrying", "paused", "done", "dead"]
EventState = Literal["queued", "running", "retrying", "paused", "done", "dead"]
FINISHED = ("done", "dead")
"""The states, of runs as of events, after which nothing more happens by itself."""

RUN_FIELD = "run:"
PAST_FIELD = "past:"


@dataclass(slots=True)
class Attempt:
    """One try of a run."""

    started_at_ms: int
    milliseconds: int | None = None
    """How long it took; None while it is under way."""
    error: str | None = None
    """`ValueError: …`, or None when it succeeded."""
    traceback: str | None = None


class Ended(NamedTuple):
    """The end of an attempt, as it is counted."""

    action: str
    outcome: RunState
    """What the run's state is then: done, retrying or dead."""
    milliseconds: int


@dataclass(slots=True)
class Run:
    """One action on one event, with its attempts. `done` and `dead` are final; `paused` waits."""

    action: str
    state: RunState = "running"
    attempts: list[Attempt] = field(default_factory=list)
    due_at_ms: int | None = None
    """When the next attempt is due, while the state is `retrying`."""
    unseen_deaths: int = 0
    """How often its process died while it was under way, with nobody there to see why."""

    @property
    def is_final(self) -> bool:
        """Whether the run will not be tried again, except by a replay."""
        return self.state in FINISHED

    def is_due(self, now_ms: int) -> bool:
        """Whether the time of the next attempt has come."""
        return (self.due_at_ms or 0) <= now_ms

    @property
    def error(self) -> str | None:
        """The error of the last attempt, if it failed."""
        return self.attempts[-1].error if self.attempts else None

    def to_json(self) -> str:
        """The run as it is stored, without its action's name, which is the field's."""
        record: dict[str, Any] = {
            "state": self.state,
            "attempts": [
                {"at": attempt.started_at_ms, "ms": attempt.milliseconds}
                | ({"error": attempt.error} if attempt.error else {})
                | ({"traceback": attempt.traceback} if attempt.traceback else {})
                for attempt in self.attempts
            ],
        }
        if self.due_at_ms is not None:
            record["due_at"] = self.due_at_ms
        if self.unseen_deaths:
            record["unseen_deaths"] = self.unseen_deaths
        return to_json(record).decode()

    @classmethod
    def from_json(cls, action: str, text: bytes | str) -> Run:
        """The run that `to_json` wrote."""
        record = from_json(text)
        attempts = [Attempt(a["at"], a["ms"], a.get("error"), a.get("traceback")) for a in record["attempts"]]
        unseen_deaths = record.get("unseen_deaths", 0)
        return cls(action, record["state"], attempts, record.get("due_at"), unseen_deaths)


def runs_of(fields: dict[str, bytes]) -> dict[str, Run]:
    """The runs recorded in an event's fields, by action."""
    return {
        name.removeprefix(RUN_FIELD): Run.from_json(name.removeprefix(RUN_FIELD), value)
        for name, value in fields.items()
        if name.startswith(RUN_FIELD)
    }


def past_runs_of(fields: dict[str, bytes]) -> dict[int, dict[str, Run]]:
    """The runs that replays moved aside, by the replay's number, then by action."""
    past: dict[int, dict[str, Run]] = {}
    for name, value in fields.items():
        if name.startswith(PAST_FIELD):
            number, _, action = name.removeprefix(PAST_FIELD).partition(":")
            past.setdefault(int(number), {})[action] = Run.from_json(action, value)
    return past
