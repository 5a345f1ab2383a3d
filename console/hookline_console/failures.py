"""The outermost middleware: whatever goes wrong is a page, or JSON for a program, that says the way out."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from aiohttp import web

from hookline.connections import describe, is_unavailable
from hookline.errors import HooklineError
from hookline_console.answers import wants_page
from hookline_console.open_pages import Handler
from hookline_console.pages import render
from hookline_console.state import console_of, session_of

OWN_MISTAKE = "a mistake of the console's own; its log has the traceback, please report it"

log = structlog.get_logger(__name__)


@web.middleware
async def failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what the handler raises."""
    try:
        return await handler(request)
    except web.HTTPException as answer:
        if answer.status < HTTPStatus.BAD_REQUEST:
            raise
        return await _refusal(request, answer)
    except HooklineError as error:
        return await refused(request, HTTPStatus.BAD_REQUEST, str(error))
    except Exception as error:
        if isinstance(error, TimeoutError) or is_unavailable(error):
            return await _redis_away(request, error)
        log.exception("a page failed", method=request.method, path=request.path)
        return await refused(request, HTTPStatus.INTERNAL_SERVER_ERROR, OWN_MISTAKE)


async def refused(
    request: web.Request, status: int, reason: str, *, template: str = "failure.html"
) -> web.Response:
    """An answer that says why there is nothing."""
    if not wants_page(request):
        return web.json_response({"error": reason}, status=status)
    heading = HTTPStatus(status).phrase
    return await render(request, template, status=status, heading=heading, reason=reason)


async def _refusal(request: web.Request, answer: web.HTTPException) -> web.Response:
    said = answer.text or ""
    by_default = f"{answer.status}: {answer.reason}"
    reason = _DEFAULTS.get(answer.status, by_default) if said == by_default else said
    response = await refused(request, answer.status, reason)
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    return response


_DEFAULTS = {
    404: "there is no such page; what was here may have been purged",
    405: "this page is not to be asked in this way",
    413: "this is more than the console reads",
}


async def _redis_away(request: web.Request, error: Exception) -> web.Response:
    """Said plainly, the details to nobody but who is known. A page that was only looked at comes back."""
    reason = str(error) or "it took too long"
    log.warning("redis does not answer the console", error=reason, path=request.path)
    known = f" ({describe(console_of(request).settings.redis.url)}: {reason})" if session_of(request) else ""
    reason = f"redis does not answer the console{known}; its log says more, and so does `hookline check`"
    response = await refused(request, HTTPStatus.SERVICE_UNAVAILABLE, reason, template="redis_away.html")
    response.headers["Retry-After"] = "5"
    return response
