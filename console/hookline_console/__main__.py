"""`python -m hookline_console`: what `hookline console` starts."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from hookline.errors import HooklineError
from hookline.log import set_up_logging
from hookline.settings import load_settings
from hookline_console.alarms import open_watchman
from hookline_console.backend import open_backend
from hookline_console.passwords import read_password
from hookline_console.serving import listen, serve


def main() -> int:
    """Run the console; 0 after SIGTERM, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="hookline console")
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    try:
        settings = load_settings(options.config)
        set_up_logging(settings.logging, process="console")
        password = read_password(settings.console)
        backend = open_backend(settings)
        watchman = open_watchman(settings) if settings.alarms.to else None
        listener = listen(settings.console)
    except HooklineError as error:
        print(error, file=sys.stderr)  # noqa: T201 (logging may not be set up yet, and this is for a person)
        return 2
    asyncio.run(serve(settings, password, backend, listener, watchman))
    return 0


if __name__ == "__main__":
    sys.exit(main())
