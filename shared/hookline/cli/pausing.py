"""`hookline pause` and `hookline resume`: let the runs of a source or of an action wait, and go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from hookline.cli.completion import complete_actions, complete_sources
from hookline.cli.events import open_store
from hookline.cli.known import known_actions, known_sources, unknown
from hookline.cli.options import AsJson, Config
from hookline.cli.plugin_report import read_plugins
from hookline.cli.times import ago, local
from hookline.errors import HooklineError
from hookline.lanes import action_lane, paused_actions, source_lane
from hookline.printable import json_line, one_line
from hookline.settings import load_settings
from hookline.store import Store

SourceToPause = Annotated[
    str | None, typer.Option(help="The source, by its name.", autocompletion=complete_sources)
]
ActionToPause = Annotated[
    str | None, typer.Option(help="The action, as 'hello.greet'.", autocompletion=complete_actions)
]


class _Target(NamedTuple):
    """What is to be paused or resumed."""

    kind: str
    name: str

    @property
    def lane(self) -> str:
        return source_lane(self.name) if self.kind == "source" else action_lane(self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def pause(
    source: SourceToPause = None, action: ActionToPause = None, json_: AsJson = False, config: Config = None
) -> None:
    """Let a source's events or an action's runs wait. Without either, list what is paused."""
    store, target = open_store(config), _target(source, action)
    if target is None:
        _list(store, as_json=json_)
        return
    _must_be_known(store, target, config)
    if store.pause(target.lane):
        waits = "its events wait" if target.kind == "source" else "its runs wait"
        told = f"{target} is paused: {waits} until `hookline resume --{target.kind} {target.name}`"
    else:
        told = f"{target} is paused already, since {_since(store.paused().get(target.lane, 0))}"
    typer.echo(told)


def resume(
    source: SourceToPause = None, action: ActionToPause = None, json_: AsJson = False, config: Config = None
) -> None:
    """Let what was paused go on, and run what has waited. Without either, list what is paused."""
    store, target = open_store(config), _target(source, action)
    if target is None:
        _list(store, as_json=json_)
        return
    if not store.resume(target.lane):
        paused = ", ".join(map(str, _paused(store))) or "nothing is"
        raise HooklineError(f"{target} is not paused; paused: {paused}")
    typer.echo(f"{target} goes on")


def _target(source: str | None, action: str | None) -> _Target | None:
    if source and action:
        raise HooklineError("give either --source or --action, not both")
    if source:
        return _Target("source", source)
    return _Target("action", action) if action else None


def _must_be_known(store: Store, target: _Target, config: Path | None) -> None:
    """Else it is a slip of the hand, and what was meant runs on. Plugins know of actions that never ran."""
    if target.kind == "source":
        known = known_sources(store, load_settings(config))
    else:
        known = known_actions(store)
        if target.name not in known:
            known |= {action.name for action in read_plugins(config).actions}
    if target.name not in known:
        raise unknown(target.kind, target.name, known)


def _paused(store: Store) -> dict[_Target, int]:
    """What is paused, by since when."""
    lanes = store.paused()
    actions = {action_lane(name): name for name in paused_actions(frozenset(lanes))}
    return {
        _Target("action", actions[lane]) if lane in actions else _Target("source", lane): since_ms
        for lane, since_ms in sorted(lanes.items(), key=lambda item: item[1])
    }


def _list(store: Store, *, as_json: bool) -> None:
    paused = _paused(store)
    if as_json:
        for target, since_ms in paused.items():
            typer.echo(json_line({"kind": target.kind, "name": target.name, "since_ms": since_ms}))
    elif not paused:
        Console(stderr=True).print("nothing is paused", highlight=False)
    else:
        table = Table("paused", "name", "since", box=None, header_style="dim", pad_edge=False)
        for target, since_ms in paused.items():
            table.add_row(target.kind, one_line(target.name), _since(since_ms))
        Console(markup=False).print(table)


def _since(since_ms: int) -> str:
    return f"{local(since_ms)} ({ago(since_ms)})"
