"""What one console process has: its settings, its way to Redis, who is logged in, and its templates."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import jinja2
from aiohttp import web

from hookline.index import FailureGroup
from hookline.settings import Settings
from hookline_console.backend import Backend
from hookline_console.lookout import Lookout
from hookline_console.passwords import Password
from hookline_console.reading import Reader, Reading
from hookline_console.sessions import Session, Sessions


@dataclass(frozen=True, slots=True)
class Console:
    """One for an application; `console_of` finds it."""

    settings: Settings
    backend: Backend
    password: Password
    sessions: Sessions
    reader: Reader
    lookout: Lookout[Reading]
    """The same for all who watch."""
    failures: Lookout[list[FailureGroup]]
    """Likewise: there may be thousands of groups of dead letters."""
    templates: jinja2.Environment
    look_seconds: float
    """How often what is watched is read."""
    heartbeat_seconds: float
    """How often a silent stream is tried, and how often is looked whether its login still holds."""
    stopping: asyncio.Event
    """Set when the process is about to end: whoever streams ends then."""


CONSOLE: web.AppKey[Console] = web.AppKey("console", Console)
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)


def console_of(request: web.Request) -> Console:
    """The console that this request came to."""
    return request.config_dict[CONSOLE]


def session_of(request: web.Request) -> Session | None:
    """Whoever is logged in, once the guard has found out; None on the pages that are open to all."""
    return request.get(SESSION)
