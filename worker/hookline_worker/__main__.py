"""`python -m hookline_worker`: what `hookline worker` starts, and what `hookline plugins` asks."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hookline.acknowledged import check_acknowledgement
from hookline.errors import HooklineError
from hookline.log import set_up_logging
from hookline.processes import supervise
from hookline.settings import load_settings
from hookline.succession import CHECK_OPTION
from hookline.tracing import make_tracer
from hookline_worker.plugins import examine_plugins, load_plugins
from hookline_worker.pool import run


def main() -> int:
    """Run the worker; 0 after SIGTERM, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="hookline worker")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-fork", action="store_true")
    parser.add_argument("command", nargs="?", choices=("run", "plugins"), default="run")
    parser.add_argument("--json", action="store_true", help="the only form of the report on plugins")
    parser.add_argument(CHECK_OPTION, action="store_true", help="only tell whether it could start")
    options = parser.parse_args()
    try:
        settings = load_settings(options.config)
        set_up_logging(settings.logging, process="worker")
        if options.command == "plugins":
            return _report(settings.worker.plugins)
        check_acknowledgement(settings.redis)
        tracer = make_tracer(settings.tracing, process="worker")
        plugins = load_plugins(settings.worker.plugins)
    except HooklineError as error:
        print(error, file=sys.stderr)  # noqa: T201 (logging may not be set up yet, and this is for a person)
        return 2
    if options.check:
        return 0
    return supervise(
        options.processes,
        lambda tell_ready: run(settings, plugins, fork=not options.no_fork, ready=tell_ready, tracer=tracer),
        name="worker",
    )


def _report(places: tuple[str, ...]) -> int:
    plugins, problems = examine_plugins(places)
    actions = [
        {
            "name": action.name,
            "plugin": action.plugin,
            "matches": [*(kind.__name__ for kind in action.types), *action.patterns],
            "sources": sorted(action.sources),
            "attempts": action.attempts,
            "timeout_seconds": action.timeout_seconds,
            "file": action.file,
            "line": action.line,
        }
        for action in plugins.actions
    ]
    print(json.dumps({"actions": actions, "problems": [str(problem) for problem in problems]}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
