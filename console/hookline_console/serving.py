"""The console's life: listen, serve until SIGTERM or SIGINT, end what streams, and go."""

from __future__ import annotations

import asyncio
import signal
import socket

import structlog
from aiohttp import web

from hookline.errors import SettingsError
from hookline.settings import Console, Settings
from hookline_console.alarms import Watchman, watch
from hookline_console.app import make_app
from hookline_console.backend import Backend
from hookline_console.doors import IDLE_SECONDS, open_doors
from hookline_console.passwords import Password

SHUTDOWN_SECONDS = 3.0

log = structlog.get_logger(__name__)


def listen(settings: Console) -> socket.socket:
    """The socket that the page is served at. Raises SettingsError for a port in use."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # which would tell the address again
        raise SettingsError(
            f"console.port: cannot listen on {host}:{port}: {reason}; choose another"
        ) from error


async def serve(
    settings: Settings,
    password: Password,
    backend: Backend,
    listener: socket.socket,
    watchman: Watchman | None,
) -> None:
    """Serve until SIGTERM or SIGINT; meanwhile the watchman, if there is one, raises the alarms."""
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, told.set)
    app = make_app(settings, password, backend)
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, keepalive_timeout=IDLE_SECONDS
    )
    await runner.setup()
    watching = asyncio.create_task(watch(watchman, told)) if watchman else None
    try:
        doors = await open_doors(runner, listener)
        log.info("console is listening", url=_address(listener))
        await told.wait()
        doors.close()
        log.info("console is stopping")
    finally:
        told.set()
        await runner.cleanup()
        if watching:
            await watching
    log.info("console has stopped")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
