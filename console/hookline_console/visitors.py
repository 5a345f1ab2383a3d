"""Who sends a request: somebody with a session's cookie, a program with the password, or a stranger."""

from __future__ import annotations

import structlog
from aiohttp import web

from hookline_console.passwords import seconds_to_wait
from hookline_console.sessions import Session
from hookline_console.state import Console, console_of

COOKIE = "hookline"
SECURE_COOKIE = "__Host-hookline"
"""A browser takes this name over https alone, and from this very host."""
BEARER = "Bearer "

log = structlog.get_logger(__name__)


async def whoever(request: web.Request) -> Session | None:
    """Who sent this request, by bearer token or by cookie; None for a stranger."""
    console = console_of(request)
    authorization = request.headers.get("Authorization", "")
    if authorization.startswith(BEARER):
        is_right = await try_password(request, authorization.removeprefix(BEARER).strip())
        return Session() if is_right else None
    return await console.sessions.find(request.cookies.get(cookie_name(console), ""))


async def try_password(request: web.Request, given: str) -> bool:
    """Is this the password? Raises HTTPTooManyRequests where this address has guessed too often."""
    console, address = console_of(request), request.remote or ""
    is_right = console.password.is_right(given)
    wait_seconds = await console.backend.ask(seconds_to_wait, address, is_right)
    if wait_seconds:
        raise web.HTTPTooManyRequests(
            text="too many wrong passwords have come from your address; "
            f"not even the right one is taken for {wait_seconds} s",
            headers={"Retry-After": str(wait_seconds)},
        )
    if not is_right:
        log.warning("somebody tried to log in with a wrong password", peer=address)
    return is_right


def cookie_name(console: Console) -> str:
    """What the session's cookie is called."""
    return SECURE_COOKIE if console.settings.console.secure_cookies else COOKIE
