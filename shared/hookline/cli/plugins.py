"""`hookline plugins`: every action, what it matches, and where it is written."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hookline.cli.options import AsJson, Config
from hookline.cli.plugin_report import PluginReport, read_plugins
from hookline.references import strike_out
from hookline.settings import Worker, load_settings


def plugins(config: Config = None, as_json: AsJson = False) -> None:
    """List the actions that the plugins declare, and what is wrong with the plugins."""
    worker = load_settings(config).worker
    report = read_plugins(config)
    if as_json:
        for action in report.actions:
            typer.echo(action.model_dump_json())
    else:
        _print_table(report, worker)
    for problem in report.problems:
        typer.secho(strike_out(problem), err=True, fg="red")
    if report.problems:
        raise typer.Exit(1)


def _print_table(report: PluginReport, worker: Worker) -> None:
    if not report.actions:
        typer.echo(
            f"No action in {', '.join(worker.plugins)}. Write a plugin: a .py file with an @action in it."
        )
        return
    table = Table()
    for heading in ("action", "matches", "source"):
        table.add_column(heading, overflow="fold")
    for heading in ("attempts", "timeout"):
        table.add_column(heading, justify="right")
    table.add_column("written in", overflow="fold")
    for action in report.actions:
        timeout_seconds = worker.timeout_seconds if action.timeout_seconds is None else action.timeout_seconds
        table.add_row(
            escape(action.name),
            escape("\n".join(action.matches)),
            escape("\n".join(action.sources) or "any"),
            str(action.attempts or worker.attempts),
            f"{timeout_seconds:g} s",
            escape(action.place),
        )
    Console().print(table)
