"""`hookline events`: list them, and tell one event's whole story."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookline.cli.completion import complete_events, complete_sources, complete_types
from hookline.cli.options import AsJson, Config
from hookline.cli.story import story, story_json
from hookline.cli.times import Since, Until, local
from hookline.connections import connect
from hookline.errors import HooklineError
from hookline.index import Filter, Summary, find
from hookline.ledger import EventState
from hookline.moments import moment_ms
from hookline.printable import json_line, one_line
from hookline.settings import load_settings
from hookline.store import Store

SourceOption = Annotated[str | None, typer.Option(help="Only this source.", autocompletion=complete_sources)]
TypeOption = Annotated[
    str | None,
    typer.Option(help="Only types of this pattern: 'misskey.*'.", autocompletion=complete_types),
]
StateOption = Annotated[EventState | None, typer.Option(help="Only events in this state.")]
ActionOption = Annotated[
    str | None,
    typer.Option(help="Only events that this action has run on; the state is then its run's: 'hello.thank'."),
]
TextOption = Annotated[str | None, typer.Option(help="Only events with this text in their body.")]

PIPED_WIDTH = 200
"""Columns where there is no terminal: nothing is cut for grep."""
STATE_STYLES = {
    "done": "green",
    "dead": "bold red",
    "retrying": "yellow",
    "running": "cyan",
    "queued": "blue",
    "paused": "magenta",
}

events_app = typer.Typer(name="events", help="List events, or show one.", invoke_without_command=True)


@events_app.callback()
def events(
    context: typer.Context,
    source: SourceOption = None,
    type: TypeOption = None,  # noqa: A002 (the option's name)
    state: StateOption = None,
    since: Since = None,
    until: Until = None,
    action: ActionOption = None,
    id_: Annotated[str | None, typer.Option("--id", help="Only ids that begin with this.")] = None,
    text: TextOption = None,
    after: Annotated[
        str | None,
        typer.Option(help="Only what comes after this event in the list: the last one of the page before."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, at the most.")] = 50,
    json_: AsJson = False,
    config: Config = None,
) -> None:
    """List events, the newest first."""
    if context.invoked_subcommand is not None:
        return
    wanted = Filter(source, type, state, moment_ms(since), moment_ms(until), action, id_, text)
    found = itertools.islice(find(open_store(config), wanted, after=after or ""), limit)
    if json_:
        for summary in found:
            row = {name: value for name, value in dataclasses.asdict(summary).items() if name != "run_state"}
            typer.echo(json_line(row))
        return
    listed = list(found)
    if not listed:
        Console(stderr=True).print("no such events", highlight=False)
        return
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print(event_table(listed))


@events_app.command()
def show(
    event_id: Annotated[str, typer.Argument(autocompletion=complete_events)],
    json_: AsJson = False,
    config: Config = None,
) -> None:
    """Tell one event's whole story: how it came, what ran, every attempt."""
    fields = open_store(config).fields(event_id)
    if not fields:
        raise no_such_event(event_id)
    if json_:
        typer.echo(json_line(story_json(event_id, fields)))
    else:
        Console().print(story(event_id, fields))


def no_such_event(event_id: str) -> HooklineError:
    """What to say of an id that nothing is stored under."""
    return HooklineError(f"there is no event {event_id!r}; `hookline events` lists those that there are")


def open_store(config: Config) -> Store:
    """The store that the settings name."""
    settings = load_settings(config)
    return Store(connect(settings.redis), settings.worker.queue)


def event_table(events: list[Summary]) -> Table:
    """Events as rows."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("received", "id", "source", "type", "state", "notes"):
        table.add_column(column, no_wrap=column in ("received", "id", "state"), overflow="fold")
    for event in events:
        notes = [f"sent again {event.repeats}×"] if event.repeats else []
        notes += [f"replayed {event.replays}×"] if event.replays else []
        table.add_row(
            local(event.received_at_ms),
            event.id,
            Text(one_line(event.source)),
            Text(one_line(event.type or "–")),
            Text(event.state, style=STATE_STYLES.get(event.state, "")),
            ", ".join(notes),
        )
    return table
