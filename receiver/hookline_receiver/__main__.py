"""`python -m hookline_receiver`: what `hookline receiver` starts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hookline.acknowledged import check_acknowledgement
from hookline.connections import connect_async
from hookline.errors import HooklineError, SettingsError
from hookline.log import set_up_logging
from hookline.processes import supervise
from hookline.settings import load_settings
from hookline.succession import CHECK_OPTION
from hookline.tracing import make_tracer
from hookline_receiver.app import run
from hookline_receiver.endpoints import endpoints
from hookline_receiver.listening import open_sockets


def main() -> int:
    """Run the receiver; 0 after SIGTERM, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="hookline receiver")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(CHECK_OPTION, action="store_true", help="only tell whether it could start")
    options = parser.parse_args()
    try:
        settings = load_settings(options.config)
        set_up_logging(settings.logging, process="receiver")
        ready = endpoints(settings)
        if not ready:
            raise SettingsError(
                "no source is configured, so there is nothing to receive; "
                "add a [sources.<name>] to hookline.toml"
            )
        check_acknowledgement(settings.redis)
        tracer = make_tracer(settings.tracing, process="receiver")
        redis = connect_async(settings.redis, client_name="hookline-receiver")
        if options.check:
            return 0
        sockets = open_sockets(settings.receiver)
    except HooklineError as error:
        print(error, file=sys.stderr)  # noqa: T201 (logging may not be set up yet, and this is for a person)
        return 2
    if options.processes > 1:
        sockets = sockets._replace(is_admin_shared=True)
    return supervise(
        options.processes,
        lambda tell_ready: run(settings, ready, redis, sockets, tell_ready, tracer),
        name="receiver",
        sockets=(sockets.deliveries, sockets.admin),
    )


if __name__ == "__main__":
    sys.exit(main())
