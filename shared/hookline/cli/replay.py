"""`hookline replay`: run finished events again, on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from hookline.cli.choosing import agree_or_exit, events, is_somebody_there, look_at, show, show_json
from hookline.cli.completion import complete_actions, complete_events
from hookline.cli.events import SourceOption, StateOption, TextOption, TypeOption, no_such_event, open_store
from hookline.cli.options import Config, DryRunAsJson
from hookline.cli.replays import follow
from hookline.cli.times import Since, Until
from hookline.errors import HooklineError
from hookline.index import Filter, summaries
from hookline.moments import moment_ms
from hookline.replays import Bulk, Wanted, begin, cancel_bulk, gather, meant
from hookline.store import Store

MANY = 100
"""More than these are not replayed without asking, nor all at once."""


def replay(
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="Ids of events.", show_default=False, autocompletion=complete_events),
    ] = None,
    source: SourceOption = None,
    type: TypeOption = None,  # noqa: A002 (the option's name)
    state: StateOption = None,
    since: Since = None,
    until: Until = None,
    action: Annotated[
        str | None,
        typer.Option(
            help="Only this action, on events that it has run on or that are named: 'hello.thank'.",
            autocompletion=complete_actions,
        ),
    ] = None,
    text: TextOption = None,
    per_second: Annotated[
        float | None,
        typer.Option(
            help="How many events a second, at the most.", show_default="as many as the workers can do"
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and run nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, however many there are.")] = False,
    json_: DryRunAsJson = False,
    config: Config = None,
) -> None:
    """Run finished events again: these ids, or all that the filters find. Attempts start anew."""
    found = Filter(source, type, state, moment_ms(since), moment_ms(until), text=text or None)
    wanted = _wanted(ids, found, action)
    store, console = open_store(config), Console()
    if not isinstance(wanted, Filter):
        _must_exist(store, wanted)
    if dry_run or not yes:
        chosen = look_at(console, meant(store, wanted))
        if dry_run and json_:
            show_json(chosen, "replay")
            return
        if dry_run:
            show(console, chosen, "replay")
        elif chosen.finished > MANY and is_somebody_there(console):
            what = f"{action} alone" if action else "every action that matches"
            agree_or_exit(f"replay {events(chosen.finished)}, {what}?", "nothing was replayed")
        if chosen.unfinished:
            left_alone = f"left alone: {events(chosen.unfinished)} not finished yet, which will run anyway"
            console.print(left_alone, highlight=False)
        if dry_run:
            return
    if isinstance(wanted, Filter) or len(wanted) > MANY or per_second is not None:
        _replay_in_bulk(console, store, wanted, action or "", per_second)
    else:
        replayed = store.replay(list(wanted), action or "")
        console.print(f"replaying {events(len(replayed))}", highlight=False)


def _wanted(ids: list[str] | None, wanted: Filter, action: str | None) -> Wanted:
    if not ids and wanted == Filter():
        raise HooklineError("say what to replay: event ids, or a filter such as --state dead or --since 2h")
    if ids and wanted != Filter():
        raise HooklineError("give either event ids or filters, not both")
    return list(dict.fromkeys(ids)) if ids else replace(wanted, action=action)


def _must_exist(store: Store, ids: Sequence[str]) -> None:
    there = {event.id for event in summaries(store, list(ids))}
    for event_id in ids:
        if event_id not in there:
            raise no_such_event(event_id)


def _replay_in_bulk(
    console: Console, store: Store, wanted: Wanted, action: str, per_second: float | None
) -> None:
    asked = _written_down(console, store, wanted, action, per_second)
    if asked.state == "cancelled":
        raise HooklineError(f"somebody cancelled {asked.id} meanwhile; nothing was replayed")
    console.print(f"replaying {events(asked.total)}", highlight=False, end="")
    console.print(f" as {asked.id}" if asked.total else "", highlight=False)
    if asked.total and console.is_terminal:
        follow(console, store, asked.id)


def _written_down(
    console: Console, store: Store, wanted: Wanted, action: str, per_second: float | None
) -> Bulk:
    begun = begin(store, wanted, action=action, per_second=per_second)
    try:
        with console.status("writing down what is to be replayed …") as status:
            return gather(
                store, begun.id, wanted, lambda total: status.update(f"{events(total)} written down …")
            )
    except KeyboardInterrupt:
        cancel_bulk(store, begun.id)
        typer.echo("nothing was replayed", err=True)
        raise typer.Exit(130) from None
