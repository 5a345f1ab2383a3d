"""`python -m hookline_console.alarms`: what `hookline alarms` starts."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from hookline.errors import HooklineError
from hookline.log import set_up_logging
from hookline.settings import Settings, load_settings
from hookline_console.alarms.message import Message
from hookline_console.alarms.telling import targets
from hookline_console.alarms.watchman import Watchman, open_watchman, watch

TEST = Message(
    "Hookline: a test",
    "This is a test of the alarms, asked for with `hookline alarms --test`. Nothing is wrong.",
    "info",
)


def main() -> int:
    """Watch and tell; 0 after SIGTERM, 2 when it cannot start. With --test, 1 when a target refuses."""
    parser = argparse.ArgumentParser(prog="hookline alarms")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--test", action="store_true", help="send a message to everybody, and end")
    options = parser.parse_args()
    try:
        settings = load_settings(options.config)
        set_up_logging(settings.logging, process="alarms")
        if options.test:
            return _test(settings)
        asyncio.run(_run(open_watchman(settings)))
    except HooklineError as error:
        print(error, file=sys.stderr)  # noqa: T201 (logging may not be set up yet, and this is for a person)
        return 2
    return 0


async def _run(watchman: Watchman) -> None:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    await watch(watchman, stopping)


def _test(settings: Settings) -> int:
    told = targets(settings.alarms.to)
    refused = 0
    for target in told:
        reason = target.tell(TEST)
        refused += bool(reason)
        answer = f"did not take it: {reason}" if reason else "took it"
        print(f"{'✗' if reason else '✓'} {target.reference} ({target.service}): {answer}")  # noqa: T201
    if not told:
        print("alarms.to is empty: nobody is told of anything (see docs/alarms.md)", file=sys.stderr)  # noqa: T201
    return 1 if refused or not told else 0


if __name__ == "__main__":
    sys.exit(main())
