"""The sources: what each sends, what was refused and why, the URL for its sender, its secret's age."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hookline.figures import read_rejections
from hookline.settings import Settings
from hookline_console import health
from hookline_console.overview import traffic
from hookline_console.pages import render
from hookline_console.parts import stream_parts
from hookline_console.reading import DAY, HOUR, Reading
from hookline_console.state import console_of

OLD_SECRET_MS = 365 * 24 * 3_600_000
"""A secret is changed once a year at the least."""
REASONS = {
    "signature": "the signature or the secret is wrong",
    "too_large": "larger than receiver.max_body_bytes",
    "slow": "the body did not come in time",
    "method": "not a POST",
    "not_http": "not an HTTP request",
    "too_fast": "more than its max_per_second; the sender tries again",
    "not_committed": "Redis did not take it; the sender tries again",
    "failed": "a mistake of the receiver's; the sender tries again",
}
"""What the receivers' words for a refusal mean."""


def routes() -> list[web.RouteDef]:
    """The list, one source, and what keeps them up to date."""
    return [
        web.get("/sources", show_all),
        web.get("/sources/stream", stream_all),
        web.get("/sources/{name}", show),
        web.get("/sources/{name}/stream", stream),
    ]


async def show_all(request: web.Request) -> web.Response:
    """All of them."""
    reading = await console_of(request).reader.read()
    return await render(request, "sources.html", **_all(request, reading))


async def stream_all(request: web.Request) -> web.StreamResponse:
    """The list, as it changes."""
    lookout, templates = console_of(request).lookout, {"list": "sources/list.html"}
    return await stream_parts(request, lookout, templates, lambda reading: _all(request, reading))


async def show(request: web.Request) -> web.Response:
    """One of them, with its latest refusals."""
    console, name = console_of(request), request.match_info["name"]
    reading = await console.reader.read()
    _check(request, reading)
    rejections = await console.backend.ask(read_rejections, name)
    return await render(request, "source.html", **_one(request, reading), rejections=rejections)


async def stream(request: web.Request) -> web.StreamResponse:
    """One of them, as it changes."""
    _check(request, await console_of(request).reader.read())
    lookout, templates = console_of(request).lookout, {"now": "sources/now.html"}
    return await stream_parts(request, lookout, templates, lambda reading: _one(request, reading))


def _all(request: web.Request, reading: Reading) -> dict[str, Any]:
    settings = console_of(request).settings
    sources = health.sources(reading, settings)
    return {
        "sources": sources,
        "at_ms": reading.figures.at_ms,
        "received": {each.name: reading.per_minute(["received"], source=each.name) for each in sources},
        "old_secret_ms": OLD_SECRET_MS,
        "refused_without_source": reading.rejected(""),
    }


def _one(request: web.Request, reading: Reading) -> dict[str, Any]:
    settings, name = console_of(request).settings, request.match_info["name"]
    minutes = DAY if request.query.get("hours") == "24" else HOUR
    return {
        "source": health.source(reading, settings, name),
        "at_ms": reading.figures.at_ms,
        "hours": minutes // HOUR,
        "charts": traffic(reading, minutes, name),
        "hook_path": f"/hooks/{name}",
        "hook_url": _hook_url(settings, name),
        "retention": retention(settings, name),
        "old_secret_ms": OLD_SECRET_MS,
        "reasons": REASONS,
    }


def _check(request: web.Request, reading: Reading) -> None:
    name = request.match_info["name"]
    if name not in console_of(request).settings.sources and name not in reading.figures.sources:
        raise web.HTTPNotFound(text=f"there is no source {name!r}; its name may have changed in the settings")


def _hook_url(settings: Settings, name: str) -> str | None:
    """What is to be given to the sender; None while nobody has said where senders reach us."""
    url = settings.receiver.public_url
    return f"{url.rstrip('/')}/hooks/{name}" if url else None


def retention(settings: Settings, name: str) -> dict[str, str]:
    """How long a source's finished events are kept, in words, by their state."""
    source, general = settings.sources.get(name), settings.retention

    def rule(state: str) -> str:
        own = getattr(source, f"{state}_days", None)
        days = own or getattr(general, f"{state}_days")
        own = getattr(source, f"max_{state}", None)
        most = own if own is not None else getattr(general, f"max_{state}")
        told = f"{days:g} day{'s' if days != 1 else ''}"
        return told if most is None else f"{told}, and the latest {most:,} at most"

    return {"done": rule("done"), "dead": rule("dead")}
