"""The middleware that stands before every page: nothing is shown or done for whoever is not logged in."""

from __future__ import annotations

import hmac
from urllib.parse import quote

from aiohttp import web

from hookline_console.answers import wants_page
from hookline_console.forms import form
from hookline_console.open_pages import Handler, is_open
from hookline_console.origin import is_cross_site, is_ours
from hookline_console.pages import render
from hookline_console.sessions import Session
from hookline_console.state import SESSION, console_of
from hookline_console.visitors import whoever

CSRF_FIELD = "csrf"
CSRF_HEADER = "X-CSRF-Token"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the request through to its page, or refuse it."""
    console, host = console_of(request), request.headers.get("Host")
    if host is not None and not is_ours(host, console.settings.console):  # a browser never leaves it out
        raise web.HTTPMisdirectedRequest(
            text=f"the console is not known by the name {host!r}; open it by its address, as "
            "http://127.0.0.1:8090, or, behind a proxy with TLS, set console.secure_cookies = true"
        )
    changes = request.method not in ("GET", "HEAD")
    if changes and is_cross_site(request):
        raise web.HTTPForbidden(
            text="this request comes from a page of another site, so nothing was done; "
            "behind a proxy, let it pass the Host header on as it comes"
        )
    if is_open(request):
        return await handler(request)
    session = await whoever(request)
    if session is None:
        return await _to_login(request)
    if changes and session.token and not await _has_csrf(request, session):
        raise web.HTTPForbidden(
            text="this form is of an earlier login, so nothing was done; open the page again"
        )
    request[SESSION] = session
    return await handler(request)


async def _has_csrf(request: web.Request, session: Session) -> bool:
    given = request.headers.get(CSRF_HEADER) or (await form(request)).get(CSRF_FIELD, "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode())


async def _to_login(request: web.Request) -> web.StreamResponse:
    """A program is refused. A browser on a link of another site's has sent no cookie: it asks again."""
    if not wants_page(request):
        raise web.HTTPUnauthorized(
            text="log in, or send the password as Authorization: Bearer",
            headers={"WWW-Authenticate": 'Bearer realm="hookline"'},
        )
    if request.method != "GET":
        raise web.HTTPSeeOther("/login")
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return await render(request, "again.html")
    raise web.HTTPSeeOther(f"/login?next={quote(request.path_qs, safe='')}")
