"""Events as rows of a list: what became of each in a few words, read without its body."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hookline.index import Summary
from hookline.keys import EVENT_PREFIX
from hookline.ledger import RUN_FIELD, Run
from hookline.store import Store
from hookline_console.wording import duration

SHOWN_RUNS = 4
_ORDER = {"dead": 0, "retrying": 1, "running": 2, "paused": 3, "done": 4}


@dataclass(frozen=True, slots=True)
class RunNote:
    """What one action did, in short."""

    action: str
    state: str
    words: str
    """`3 ms`, `attempt 2`, `failed 8×`."""
    error: str


@dataclass(frozen=True, slots=True)
class Row:
    """One event of a list."""

    summary: Summary
    notes: list[RunNote]
    """The runs that matter most first, and no more than are shown."""
    more: int
    """How many runs are not shown."""
    error: str
    """Why it could not be read, or else what the first of its notes failed with."""


def rows(store: Store, summaries: Sequence[Summary]) -> list[Row]:
    """The rows of these events, read in two round trips however many they are."""
    with store.redis.pipeline(transaction=False) as pipeline:
        for summary in summaries:
            pipeline.hkeys(EVENT_PREFIX + summary.id)
        names = [_runs_among(keys) for keys in pipeline.execute()]
        for summary, fields in zip(summaries, names, strict=True):
            pipeline.hmget(EVENT_PREFIX + summary.id, ["error", *fields])
        values = pipeline.execute()
    made = []
    for summary, fields, (error, *records) in zip(summaries, names, values, strict=True):
        # what was there a moment ago may have been purged, or moved aside by a replay
        runs = [
            Run.from_json(name.removeprefix(RUN_FIELD), record)
            for name, record in zip(fields, records, strict=True)
            if record is not None
        ]
        made.append(row(summary, runs, (error or b"").decode("utf-8", "backslashreplace")))
    return made


def row(summary: Summary, runs: Iterable[Run], error: str = "") -> Row:
    """The row of an event with these runs."""
    notes = sorted(map(_note, runs), key=lambda note: (_ORDER.get(note.state, 0), note.action))
    first_error = next((note.error for note in notes if note.error), "")
    return Row(summary, notes[:SHOWN_RUNS], max(0, len(notes) - SHOWN_RUNS), error or first_error)


def _runs_among(names: list[bytes]) -> list[str]:
    return sorted(name.decode() for name in names if name.startswith(RUN_FIELD.encode()))


def _note(run: Run) -> RunNote:
    """A run in short: how long it took, or how often it failed."""
    tried = len(run.attempts)
    last = run.attempts[-1] if run.attempts else None
    if run.state == "done":
        took = duration(last.milliseconds) if last and last.milliseconds is not None else ""
        words = f"{took} at attempt {tried}".strip() if tried > 1 else took
    elif run.state in ("dead", "retrying"):
        words = f"failed {tried}×" if tried > 1 else "failed"
    else:
        words = f"attempt {tried}" if tried > 1 else ""
    return RunNote(run.action, run.state, words, "" if run.state == "done" else run.error or "")
