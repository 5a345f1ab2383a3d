"""`python -m hookline_receiver`: what `hookline receiver` starts."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path

from hookline.connections import connect_async
from hookline.errors import HooklineError, SettingsError
from hookline.log import set_up_logging
from hookline.processes import supervise
from hookline.settings import Receiver, load_settings
from hookline_receiver.app import bind, run
from hookline_receiver.ingest import endpoints


def main() -> int:
    """Run the receiver; 0 after SIGTERM, 2 when it cannot start."""
    parser = argparse.ArgumentParser(prog="hookline receiver")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--processes", type=int, default=1)
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
        redis = connect_async(settings.redis, client_name="hookline-receiver")
        listener, admin = _listen(settings.receiver)
    except HooklineError as error:
        print(error, file=sys.stderr)  # noqa: T201 (logging may not be set up yet, and this is for a person)
        return 2

    def stop_listening() -> None:
        listener.close()
        admin.close()

    return supervise(
        options.processes,
        lambda: run(settings, ready, redis, listener, admin),
        name="receiver",
        on_stop=stop_listening,
    )


def _listen(settings: Receiver) -> tuple[socket.socket, socket.socket]:
    """The sockets for deliveries and for the admin port."""
    return (
        _bind("receiver.port", settings.host, settings.port),
        _bind("receiver.admin_port", settings.admin_host, settings.admin_port),
    )


def _bind(setting: str, host: str, port: int) -> socket.socket:
    try:
        return bind(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # which would tell the address again
        raise SettingsError(f"{setting}: cannot listen on {host}:{port}: {reason}; choose another") from error


if __name__ == "__main__":
    sys.exit(main())
