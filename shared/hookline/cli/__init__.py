"""The command line. It starts receiver and worker as processes and imports neither."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from redis import RedisError
from rich.console import Console

from hookline.cli.check import check
from hookline.cli.demo import demo
from hookline.cli.dev import dev
from hookline.cli.events import events_app
from hookline.cli.pausing import pause, resume
from hookline.cli.plugins import plugins
from hookline.cli.purge import purge
from hookline.cli.replay import replay
from hookline.cli.replays import replays_app
from hookline.cli.run import alarms, console, receiver, worker
from hookline.cli.send import send
from hookline.cli.stats import stats
from hookline.cli.tail import tail
from hookline.connections import is_unavailable
from hookline.errors import HooklineError

EXIT_MISUSE = 2

app = typer.Typer(
    name="hookline",
    help="A webhook pipeline: verified, stored, and your Python functions run on every event.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(demo, dev, receiver, worker, console, alarms),
    *(send, tail, stats, replay, pause, resume, purge, check, plugins),
):
    app.command()(command)
app.add_typer(events_app)
app.add_typer(replays_app)


def main() -> None:
    """Run the command line; what is wrong is said in a line or two, with exit status 2."""
    try:
        app()
    except HooklineError as error:
        _say(str(error))
    except RedisError as error:
        if not is_unavailable(error):
            raise
        _say(f"redis does not answer as it should: {error}\n`hookline check` says what is wrong with it")


def _say(problem: str) -> NoReturn:
    Console(stderr=True).print(problem, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(EXIT_MISUSE)
