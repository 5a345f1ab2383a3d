"""`hookline stats`: how it goes, in numbers."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from hookline.cli.events import open_store
from hookline.cli.options import AsJson, Config
from hookline.cli.stats_screen import screen
from hookline.connections import is_unavailable
from hookline.figures import Figures, read_figures
from hookline.printable import json_line
from hookline.replays import bulks
from hookline.store import Store

LOOK_SECONDS = 2.0


def stats(
    watch: Annotated[bool, typer.Option("--watch", help="Show them anew every 2 s, until Ctrl-C.")] = False,
    json_: AsJson = False,
    config: Config = None,
) -> None:
    """Tell how it goes: each source and action, what waits, the workers, the receivers, and Redis."""
    store, console = open_store(config), Console()
    if json_:
        typer.echo(json_line(figures_json(read_figures(store))))
    elif watch:
        _watch(console, store)
    else:
        console.print(_screen(store), highlight=False)


def figures_json(figures: Figures) -> dict[str, Any]:
    """The figures as JSON has them: bounds as text, and with the sums."""
    sums = ("backlog", "ready", "oldest_waiting_ms", "dead_now", "stored")
    written = asdict(figures) | {name: getattr(figures, name) for name in sums}
    return {name: _named_by_text(value) for name, value in written.items()}


def _named_by_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(name): _named_by_text(each) for name, each in value.items()}
    return value


def _text(name: str | float) -> str:
    return name if isinstance(name, str) else f"{name:g}"


def _screen(store: Store) -> Any:
    return screen(read_figures(store), [each for each in bulks(store) if not each.is_over])


def _watch(console: Console, store: Store) -> None:
    with Live(_screen(store), console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(LOOK_SECONDS)
                live.update(_look_again(store), refresh=True)
        except KeyboardInterrupt:
            return


def _look_again(store: Store) -> Any:
    try:
        return _screen(store)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return Text(f"redis is away: {error}", style="bold red")
