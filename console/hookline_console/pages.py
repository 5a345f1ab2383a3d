"""Templates: escaped always, an unknown name is an error, and each has what the layout needs."""

from __future__ import annotations

from typing import Any

import jinja2
from aiohttp import web
from markupsafe import Markup

from hookline.redis_url import describe
from hookline_console import charts, wording
from hookline_console.state import console_of, session_of
from hookline_console.static_files import static_url
from hookline_console.visible import dotted, visible, visible_lines

NAVIGATION = (
    ("/", "Overview", "o"),
    ("/events", "Events", "e"),
    ("/dead", "Dead letters", "d"),
    ("/replays", "Replays", "r"),
    ("/sources", "Sources", "s"),
)
"""Where the pages are, and the key that after `g` leads there."""
FILTERS = {
    "bars": charts.bars,
    "age": wording.age,
    "ago": wording.ago,
    "bytes": wording.size,
    "count": wording.count,
    "dotted": dotted,
    "duration": wording.duration,
    "moment": wording.moment,
    "percent": wording.percent,
    "relative": wording.relative,
    "visible": visible,
    "visible_lines": visible_lines,
}


def templates() -> jinja2.Environment:
    """The environment of all templates."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hookline_console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals |= {"static": static_url, "navigation": NAVIGATION}
    return environment


async def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A whole page. What the session is to be told is told with it."""
    session, sessions = session_of(request), console_of(request).sessions
    said = await sessions.said(session) if session and status < 400 else []
    page = part(request, template, said=said, **values)
    return web.Response(text=page, status=status, content_type="text/html")


def part(request: web.Request, template: str, **values: Any) -> Markup:
    """A template's text; a part of a page is made of the same one that the whole page includes."""
    console, session = console_of(request), session_of(request)
    return Markup(  # noqa: S704 (Jinja2 has escaped it)
        console.templates.get_template(template).render(
            path=request.path,
            method=request.method,
            is_logged_in=session is not None,
            csrf=session.csrf if session else "",
            redis_url=describe(console.settings.redis.url),
            **values,
        )
    )
