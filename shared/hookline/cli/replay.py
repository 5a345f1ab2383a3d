"""`hookline replay`: run finished events again, on purpose."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from hookline.cli.events import SourceOption, StateOption, TypeOption, event_table, no_such_event, open_store
from hookline.cli.options import Config
from hookline.cli.times import Since, Until, moment_ms
from hookline.errors import HooklineError
from hookline.index import Filter, Summary, find, summaries
from hookline.ledger import FINISHED
from hookline.store import Store

SHOWN = 20


def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of events.", show_default=False)] = None,
    source: SourceOption = None,
    type: TypeOption = None,  # noqa: A002 (the option's name)
    state: StateOption = None,
    since: Since = None,
    until: Until = None,
    action: Annotated[
        str | None,
        typer.Option(help="Only this action, on events that it has run on or that are named: 'hello.thank'."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and run nothing.")] = False,
    config: Config = None,
) -> None:
    """Run finished events again: these ids, or all that the filters find. Attempts start anew."""
    wanted = Filter(source, type, state, moment_ms(since), moment_ms(until))
    if not ids and wanted == Filter():
        raise HooklineError("say what to replay: event ids, or a filter such as --state dead or --since 2h")
    if ids and wanted != Filter():
        raise HooklineError("give either event ids or filters, not both")
    wanted = replace(wanted, action=action)
    store = open_store(config)
    events = [_named(store, event_id) for event_id in ids] if ids else list(find(store, wanted))
    finished = [event for event in events if event.state in FINISHED]
    console = Console()
    if dry_run:
        if finished:
            console.print(event_table(finished[:SHOWN]))
        more = f", {len(finished) - SHOWN} more than shown" if len(finished) > SHOWN else ""
        console.print(f"would replay {_count(len(finished))}{more}; nothing was changed", highlight=False)
    else:
        replayed = store.replay([event.id for event in finished], action or "")
        console.print(f"replaying {_count(len(replayed))}", highlight=False)
    if len(finished) < len(events):
        unfinished = _count(len(events) - len(finished))
        console.print(f"left alone: {unfinished} not finished yet, which will run anyway", highlight=False)


def _named(store: Store, event_id: str) -> Summary:
    summary = next(summaries(store, [event_id]), None)
    if summary is None:
        raise no_such_event(event_id)
    return summary


def _count(events: int) -> str:
    return f"{events} event" if events == 1 else f"{events} events"
