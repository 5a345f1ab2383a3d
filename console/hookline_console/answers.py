"""What becomes of a POST: told on the next page for a browser, as JSON for a program."""

from __future__ import annotations

from aiohttp import web

from hookline_console.state import console_of, session_of


def wants_page(request: web.Request) -> bool:
    """Is it a browser that asks for a page, and not a script, an EventSource or a program with a token?"""
    accepted = request.headers.get("Accept", "")
    return "Authorization" not in request.headers and "text/html" in accepted


async def done(request: web.Request, said: str, back: str) -> web.StreamResponse:
    """Tell what a POST has done: on the page at `back`, or as JSON."""
    session = session_of(request)
    if session is None or not session.token or not wants_page(request):
        return web.json_response({"said": said})
    await console_of(request).sessions.say(session, said)
    raise web.HTTPSeeOther(back)
