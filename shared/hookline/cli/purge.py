"""`hookline purge`: remove finished events now, rather than when their time is over."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import typer
from rich.console import Console

from hookline.cli.choosing import agree_or_exit, events, is_somebody_there, look_at, show, show_json
from hookline.cli.events import SourceOption, TextOption, TypeOption, open_store
from hookline.cli.options import Config, DryRunAsJson
from hookline.cli.times import Since, UntilOrBefore
from hookline.errors import HooklineError
from hookline.index import Filter, find
from hookline.ledger import FINISHED
from hookline.moments import moment_ms
from hookline.operations import batches, now_ms
from hookline.store import Store

AT_ONCE = 500


def purge(
    source: SourceOption = None,
    type: TypeOption = None,  # noqa: A002 (the option's name)
    state: Annotated[Literal["done", "dead"] | None, typer.Option(help="Only events in this state.")] = None,
    since: Since = None,
    until: UntilOrBefore = None,
    text: TextOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    json_: DryRunAsJson = False,
    config: Config = None,
) -> None:
    """Remove finished events that the filters find, for good. What isn't finished stays."""
    wanted = Filter(source, type, state, moment_ms(since), moment_ms(until), text=text or None)
    if wanted == Filter():
        raise HooklineError("say what to purge by a filter, such as --state done or --before 2d")
    store, console = open_store(config), Console()
    if dry_run:
        chosen = look_at(console, find(store, wanted))
        show_json(chosen, "purge") if json_ else show(console, chosen, "purge")
        return
    if not yes:
        if not is_somebody_there(console):
            raise HooklineError("nobody is here to be asked; give --yes, or --dry-run to see what would go")
        chosen = look_at(console, find(store, wanted))
        if chosen.finished:
            agree_or_exit(f"purge {events(chosen.finished)} for good?", "nothing was purged")
    console.print(f"purged {events(_purge(console, store, wanted))}", highlight=False)


def _purge(console: Console, store: Store, wanted: Filter) -> int:
    """How many were removed; what finishes only now stays."""
    if wanted.until_ms is None:
        wanted = replace(wanted, until_ms=now_ms())
    finished = (event.id for event in find(store, wanted) if event.state in FINISHED)
    purged = 0
    with console.status("purging …") as status:
        for ids in batches(finished, AT_ONCE):
            purged += len(store.purge(ids))
            status.update(f"{events(purged)} purged …")
    return purged
