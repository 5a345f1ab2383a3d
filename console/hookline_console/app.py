"""The application: its pages, and what stands before all of them."""

from __future__ import annotations

import asyncio
from functools import partial

from aiohttp import web

from hookline.index import failure_groups
from hookline.settings import Settings
from hookline_console import (
    dead_letters,
    event,
    events,
    events_replay,
    login,
    overview,
    pausing,
    replays,
    sources,
    static_files,
)
from hookline_console.backend import Backend
from hookline_console.doors import SILENT, note_request
from hookline_console.failures import failures
from hookline_console.guard import guard
from hookline_console.headers import add_headers
from hookline_console.lookout import Lookout
from hookline_console.pages import templates
from hookline_console.passwords import Password
from hookline_console.reading import Reader
from hookline_console.sessions import Sessions
from hookline_console.state import CONSOLE, Console

PAGES = (login, overview, events, events_replay, event, dead_letters, replays, sources, pausing, static_files)
"""Every module that has pages gives them by its `routes()`."""
LARGEST_FORM_BYTES = 256 * 1024
LOOK_SECONDS = 2.0
"""How often pages that stay up to date are brought up to date."""
HEARTBEAT_SECONDS = 15.0


def make_app(
    settings: Settings,
    password: Password,
    backend: Backend,
    *,
    look_seconds: float = LOOK_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> web.Application:
    """The console over this Redis. It closes the backend when it is cleaned up."""
    app = web.Application(middlewares=[note_request, failures, guard], client_max_size=LARGEST_FORM_BYTES)
    app[SILENT] = set()
    reader = Reader(backend)
    app[CONSOLE] = Console(
        settings=settings,
        backend=backend,
        password=password,
        sessions=Sessions(backend, password, settings.console.session_hours),
        reader=reader,
        lookout=Lookout(reader.read, look_seconds),
        failures=Lookout(partial(backend.ask, failure_groups), look_seconds),
        templates=templates(),
        look_seconds=look_seconds,
        heartbeat_seconds=heartbeat_seconds,
        stopping=asyncio.Event(),
    )
    for page in PAGES:
        app.add_routes(page.routes())
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_tell_streams)
    app.on_cleanup.append(_close)
    return app


async def _tell_streams(app: web.Application) -> None:
    app[CONSOLE].stopping.set()


async def _close(app: web.Application) -> None:
    app[CONSOLE].backend.close()
