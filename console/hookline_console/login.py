"""Logging in and out, and whether the console is alive: with the static files, all that is open to all."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import web

from hookline_console.forms import form
from hookline_console.open_pages import open_to_all
from hookline_console.origin import local_path
from hookline_console.pages import render
from hookline_console.sessions import Session
from hookline_console.state import console_of, session_of
from hookline_console.visitors import cookie_name, try_password, whoever

WRONG = "That is not the password."

log = structlog.get_logger(__name__)


def routes() -> list[web.RouteDef]:
    """The pages."""
    return [
        web.get("/login", show),
        web.post("/login", log_in),
        web.post("/logout", log_out),
        web.get("/healthz", alive),
    ]


@open_to_all
async def show(request: web.Request) -> web.StreamResponse:
    """The form; whoever is logged in already goes on."""
    back = local_path(request.query.get("next", "/"))
    if await whoever(request):
        raise web.HTTPSeeOther(back)
    return await render(request, "login.html", back=back, wrong="")


@open_to_all
async def log_in(request: web.Request) -> web.StreamResponse:
    """Take the password."""
    fields = await form(request)
    back = local_path(fields.get("next", "/"))
    if not await try_password(request, fields.get("password", "")):
        return await render(request, "login.html", status=HTTPStatus.UNAUTHORIZED, back=back, wrong=WRONG)
    session = await console_of(request).sessions.begin()
    log.info("somebody has logged in", peer=request.remote)
    answer = web.HTTPSeeOther(back)
    _set_cookie(request, answer, session)
    raise answer


async def log_out(request: web.Request) -> web.StreamResponse:
    """End the session, here and in Redis."""
    console, session = console_of(request), session_of(request)
    if session and session.token:
        await console.sessions.end(session)
    answer = web.HTTPSeeOther("/login")
    is_secure = console.settings.console.secure_cookies
    answer.del_cookie(cookie_name(console), path="/", secure=is_secure, httponly=True, samesite="Strict")
    raise answer


@open_to_all
async def alive(_: web.Request) -> web.Response:
    """The process is alive; of Redis and all else it says nothing."""
    return web.json_response({"status": "alive"})


def _set_cookie(request: web.Request, answer: web.StreamResponse, session: Session) -> None:
    console = console_of(request)
    answer.set_cookie(
        cookie_name(console),
        session.token,
        max_age=console.sessions.seconds,
        path="/",
        secure=console.settings.console.secure_cookies,
        httponly=True,
        samesite="Strict",
    )
