"""`hookline receiver`, `hookline worker` and `hookline console`: become the process that does it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from hookline.cli.options import Config, Processes
from hookline.errors import SettingsError


def receiver(config: Config = None, processes: Processes = 1) -> None:
    """Receive deliveries: verify them and commit them to Redis."""
    _become("receiver", "hookline_receiver", "aiohttp", config, ["--processes", str(processes)])


def worker(
    config: Config = None,
    processes: Processes = 1,
    no_fork: Annotated[
        bool,
        typer.Option("--no-fork", help="Run actions in the worker's own process: light, not isolated."),
    ] = False,
) -> None:
    """Run the actions on the events."""
    options = ["--processes", str(processes), *(["--no-fork"] if no_fork else [])]
    _become("worker", "hookline_worker", "rq", config, options)


def console(config: Config = None) -> None:
    """Serve the operator's web page: see what came in and what became of it, and put it right."""
    _become("console", "hookline_console", "jinja2", config, [])


def alarms(
    config: Config = None,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message to everybody, say what they answer, and end.")
    ] = False,
) -> None:
    """Watch, and tell people when something is wrong; the console does that too."""
    _become("console", "hookline_console.alarms", "apprise", config, ["--test"] if test else [])


def _become(what: str, module: str, needs: str, config: Path | None, options: list[str]) -> None:
    if importlib.util.find_spec(needs) is None:
        raise SettingsError(
            f"the {what} is not installed here ({needs} is missing); pip install 'hookline[{what}]'"
        )
    if config is not None:
        options += ["--config", str(config)]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *options])  # noqa: S606 (our own interpreter)
