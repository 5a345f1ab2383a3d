"""Which pages are open to everybody: those that say so, and no others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_open: set[Any] = set()


def open_to_all(handler: Handler) -> Handler:
    """Let this handler answer without a login. It must show nothing of what is stored."""
    _open.add(handler)
    return handler


def is_open(request: web.Request) -> bool:
    """Does this request come to such a page?"""
    return request.match_info.handler in _open
