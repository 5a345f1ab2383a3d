"""Pausing and resuming: a source's events wait from now on, or the runs of an action; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from hookline.lanes import action_lane, source_lane
from hookline.store import Store
from hookline_console.answers import done
from hookline_console.forms import form
from hookline_console.origin import local_path
from hookline_console.state import console_of


def routes() -> list[web.RouteDef]:
    """What the buttons do; each goes back to where it was pressed."""
    return [
        web.post("/sources/{name}/pause", pause_source),
        web.post("/sources/{name}/resume", resume_source),
        web.post("/actions/{name}/pause", pause_action),
        web.post("/actions/{name}/resume", resume_action),
    ]


async def pause_source(request: web.Request) -> web.StreamResponse:
    """Its events are taken in and wait."""
    name = await _known_source(request)
    said = f"{name} is paused: what comes in waits."
    return await _steer(request, Store.pause, source_lane(name), said, "paused")


async def resume_source(request: web.Request) -> web.StreamResponse:
    """Its events run again."""
    name = await _known_source(request)
    return await _steer(request, Store.resume, source_lane(name), f"{name} goes on.", "not paused")


async def pause_action(request: web.Request) -> web.StreamResponse:
    """Its runs wait; other actions run as ever."""
    name = await _known_action(request)
    said = f"{name} is paused: its runs wait."
    return await _steer(request, Store.pause, action_lane(name), said, "paused")


async def resume_action(request: web.Request) -> web.StreamResponse:
    """Its runs go on."""
    name = await _known_action(request)
    return await _steer(request, Store.resume, action_lane(name), f"{name} goes on.", "not paused")


async def _steer(
    request: web.Request, step: Callable[[Store, str], bool], lane: str, said: str, already: str
) -> web.StreamResponse:
    back = local_path((await form(request)).get("back", "/"))  # before anything is done, as it may be refused
    has_changed = await console_of(request).backend.ask(step, lane)
    return await done(
        request, said if has_changed else f"{request.match_info['name']} is {already} already.", back
    )


async def _known_source(request: web.Request) -> str:
    """The source that is meant; nobody can fill Redis with the names of others."""
    name, console = request.match_info["name"], console_of(request)
    if name not in console.settings.sources and name not in (await console.reader.read()).figures.sources:
        raise web.HTTPNotFound(text=f"there is no source {name!r}")
    return name


async def _known_action(request: web.Request) -> str:
    name = request.match_info["name"]
    if name not in (await console_of(request).reader.read()).figures.actions:
        raise web.HTTPNotFound(text=f"no action {name!r} has run yet, and none is paused")
    return name
