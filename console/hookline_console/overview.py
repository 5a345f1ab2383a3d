"""The overview: is everything well, what came in and what became of it, and who is at work."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hookline_console import charts, health
from hookline_console.charts import Chart, Series
from hookline_console.pages import render
from hookline_console.parts import stream_parts
from hookline_console.reading import DAY, HOUR, Reading
from hookline_console.state import console_of
from hookline_console.verdict import problems

PARTS = ("verdict", "numbers", "charts", "actions", "sources", "machines")
"""Each is a template in overview/, and replaced while one watches."""
BAR_MINUTES = {HOUR: 1, DAY: 15}
MINUTE_MS = 60_000


def routes() -> list[web.RouteDef]:
    """The page, and what keeps it up to date."""
    return [web.get("/", show), web.get("/overview/stream", stream)]


async def show(request: web.Request) -> web.Response:
    """The whole page."""
    reading = await console_of(request).reader.read()
    return await render(request, "overview.html", parts=PARTS, **_shown(request, reading))


async def stream(request: web.Request) -> web.StreamResponse:
    """Its parts, as they change."""
    templates = {part: f"overview/{part}.html" for part in PARTS}
    lookout = console_of(request).lookout
    return await stream_parts(request, lookout, templates, lambda reading: _shown(request, reading))


def _shown(request: web.Request, reading: Reading) -> dict[str, Any]:
    settings = console_of(request).settings
    minutes = DAY if request.query.get("hours") == "24" else HOUR
    return {
        "figures": reading.figures,
        "at_ms": reading.figures.at_ms,
        "settings": settings,
        "hours": minutes // HOUR,
        "problems": problems(reading, settings),
        "actions": health.actions(reading),
        "sources": health.sources(reading, settings),
        "charts": traffic(reading, minutes),
        "received_last": reading.per_minute(["received"], minutes=2)[0],
        "finished_last": reading.per_minute(["done", "dead"], minutes=2)[0],
        "received": reading.per_minute(["received"], minutes=HOUR),
    }


def traffic(reading: Reading, minutes: int, source: str | None = None) -> list[Chart]:
    """What came in, and what was finished; of one source or of all."""

    def series(name: str, style: str, *kinds: str) -> Series:
        values = reading.per_minute(kinds, source=source, minutes=minutes)
        return Series(name, style, charts.means(values, BAR_MINUTES[minutes]))

    ends_at_ms = (reading.figures.at_ms // MINUTE_MS + 1) * MINUTE_MS
    came = [series("new", "in", "received"), series("sent again", "again", "repeated")]
    went = [series("done", "out", "done"), series("dead", "dead", "dead")]
    return [
        Chart("in", "Events in", came, BAR_MINUTES[minutes], ends_at_ms),
        Chart("out", "Events finished", went, BAR_MINUTES[minutes], ends_at_ms),
    ]
