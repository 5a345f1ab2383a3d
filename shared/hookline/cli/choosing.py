"""Which events a command is to work on: looked at first, and asked about where there are many."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import typer
from rich.console import Console

from hookline.cli.events import event_table
from hookline.index import Summary
from hookline.ledger import FINISHED

SHOWN = 20


@dataclass(slots=True)
class Chosen:
    """What was found when they were looked at."""

    finished: int = 0
    unfinished: int = 0
    first: list[Summary] = field(default_factory=list)
    """Some of the finished ones, to be shown."""


def look_at(console: Console, events: Iterable[Summary]) -> Chosen:
    """Count these events, and say how far it is where somebody waits for it."""
    chosen = Chosen()
    with console.status("looking …") as status:
        for event in events:
            if event.state not in FINISHED:
                chosen.unfinished += 1
                continue
            chosen.finished += 1
            if len(chosen.first) < SHOWN:
                chosen.first.append(event)
            if chosen.finished % 1_000 == 0:
                status.update(f"{chosen.finished:,} events so far …")
    return chosen


def show(console: Console, chosen: Chosen, would: str) -> None:
    """What a dry run says: some of the events, and how many there are."""
    if chosen.first:
        console.print(event_table(chosen.first))
    more = f", {chosen.finished - SHOWN:,} more than shown" if chosen.finished > SHOWN else ""
    console.print(f"would {would} {events(chosen.finished)}{more}; nothing was changed", highlight=False)


def show_json(chosen: Chosen, would: str) -> None:
    """The same as JSON, without the events: those `hookline events --json` lists."""
    told = {"would": would, "events": chosen.finished, "left_alone": chosen.unfinished}
    typer.echo(json.dumps(told))


def is_somebody_there(console: Console) -> bool:
    """Whether a person sees what is printed and can answer."""
    return console.is_terminal and sys.stdin.isatty()


def agree_or_exit(question: str, otherwise: str) -> None:
    """Ask, and end the command where the answer is no."""
    if not typer.confirm(question):
        typer.echo(otherwise)
        raise typer.Exit(1)


def events(count: int) -> str:
    """`1 event`, `4,213 events`."""
    return f"{count:,} event" if count == 1 else f"{count:,} events"
