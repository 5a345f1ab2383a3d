"""`hookline replays`: the bulk replays and how far they are; pause, resume or cancel one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hookline.cli.choosing import events
from hookline.cli.completion import complete_bulks
from hookline.cli.events import open_store
from hookline.cli.options import AsJson, Config
from hookline.cli.times import local
from hookline.errors import HooklineError
from hookline.printable import json_line, one_line
from hookline.queue import QueueKeys
from hookline.replays import Bulk, bulk, bulks, cancel_bulk, pause_bulk, resume_bulk
from hookline.store import Store

LOOK_SECONDS = 0.5
STATE_STYLES = {
    "counting": "blue",
    "running": "cyan",
    "paused": "yellow",
    "done": "green",
    "cancelled": "dim",
}

BulkId = Annotated[str, typer.Argument(metavar="ID", autocompletion=complete_bulks)]

replays_app = typer.Typer(
    name="replays",
    help="List bulk replays; pause, resume or cancel one.",
    invoke_without_command=True,
)


@replays_app.callback()
def replays(context: typer.Context, json_: AsJson = False, config: Config = None) -> None:
    """List the bulk replays, the newest first, those of the last 7 days among them."""
    if context.invoked_subcommand is not None:
        return
    listed = bulks(open_store(config))
    if json_:
        for each in listed:
            typer.echo(json_line(asdict(each)))
    elif listed:
        Console().print(_table(listed))
    else:
        Console(stderr=True).print("no bulk replays; `hookline replay` begins one", highlight=False)


@replays_app.command()
def pause(bulk_id: BulkId, config: Config = None) -> None:
    """Let it rest; what it has put back already runs."""
    _steer(open_store(config), bulk_id, pause_bulk, "rests; `hookline replays resume` lets it go on")


@replays_app.command()
def resume(bulk_id: BulkId, config: Config = None) -> None:
    """Let it go on where it was."""
    _steer(open_store(config), bulk_id, resume_bulk, "goes on")


@replays_app.command()
def cancel(bulk_id: BulkId, config: Config = None) -> None:
    """End it; what it has put back already runs, and the rest stays as it is."""
    _steer(open_store(config), bulk_id, cancel_bulk, "is cancelled")


def follow(console: Console, store: Store, bulk_id: str) -> None:
    """Show how far it is until it is over, or until Ctrl-C, which doesn't end it."""
    if not store.redis.scard(QueueKeys(store.queue_name).workers):
        console.print("no worker runs: it begins when one does", style="yellow")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, refresh_per_second=4) as progress:
            task = progress.add_task("")
            while (found := bulk(store, bulk_id)) is not None:
                taken = found.done + found.skipped
                progress.update(task, description=found.state, completed=taken, total=found.total)
                if found.is_over:
                    break
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        console.print(
            f"it goes on in the workers: `hookline replays` shows how far it is, "
            f"`hookline replays cancel {bulk_id}` ends it",
            highlight=False,
        )
        return
    if found is not None:
        console.print(_outcome(found), highlight=False)


def progress_words(found: Bulk) -> str:
    """How far it is, in a line: `replay 1f2e3d4c running: 1,200 of 4,213 events (dead)`."""
    return f"replay {found.id} {found.state}: {found.done:,} of {events(found.total)} ({wanted_words(found)})"


def wanted_words(found: Bulk) -> str:
    """Which events were asked for: `dead, type misskey.*, since 2026-05-01 12:00:00`."""
    wanted = dict(found.wanted)
    words = [events(wanted.pop("ids"))] if "ids" in wanted else []
    words += [wanted.pop("state")] if "state" in wanted else []
    for name, value in wanted.items():
        is_moment = name.endswith("_ms")
        words.append(f"{name.removesuffix('_ms')} {local(value) if is_moment else value}")
    return ", ".join(words) or "every event"


def _steer(store: Store, bulk_id: str, change: Callable[[Store, str], bool], outcome: str) -> None:
    changed = change(store, bulk_id)
    found = bulk(store, bulk_id)
    if found is None:
        raise HooklineError(
            f"there is no bulk replay {bulk_id!r}; `hookline replays` lists those that there are"
        )
    if not changed:
        raise HooklineError(f"bulk replay {bulk_id} is {found.state}, so there is nothing to {_verb(change)}")
    left = f": {found.done:,} of {events(found.total)} were put back to run"
    Console().print(f"{bulk_id} {outcome}{left}", highlight=False)


def _verb(change: Callable[[Store, str], bool]) -> str:
    return change.__name__.removesuffix("_bulk")


def _outcome(found: Bulk) -> str:
    skipped = f", {found.skipped:,} skipped (gone, or not finished)" if found.skipped else ""
    return f"{found.state}: {events(found.done)} put back to run{skipped}"


def _table(listed: list[Bulk]) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("asked for", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("done", justify="right", no_wrap=True)
    table.add_column("what", overflow="fold")
    for found in listed:
        what = [wanted_words(found)]
        what += [f"only {found.action}"] if found.action else []
        what += [f"{found.per_second:g} a second"] if found.per_second else []
        what += [f"{found.skipped:,} skipped"] if found.skipped else []
        table.add_row(
            local(found.asked_at_ms),
            found.id,
            Text(found.state, style=STATE_STYLES.get(found.state, "")),
            f"{found.done:,}/{found.total:,}",
            Text(one_line("; ".join(what))),
        )
    return table
