"""Dead letters, grouped by action and error, and the replay of a group: counted first, then asked for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from hookline.filters import Filter
from hookline.index import FailureGroup, failure_groups
from hookline.operations import now_ms
from hookline_console.events import listing
from hookline_console.forms import form
from hookline_console.pages import render
from hookline_console.parts import stream_parts
from hookline_console.replaying import begin_replay
from hookline_console.state import console_of

GROUP = r"/dead/{group:[0-9A-Za-z_-]{1,64}}"
SHOWN_GROUPS = 200


def routes() -> list[web.RouteDef]:
    """The groups, one group, and its replay."""
    return [
        web.get("/dead", show),
        web.get("/dead/live", live),
        web.get(GROUP, show_group),
        web.get(f"{GROUP}/replay", ask),
        web.post(f"{GROUP}/replay", replay),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    """Every group."""
    groups = await console_of(request).backend.ask(failure_groups)
    return await render(request, "dead_letters.html", **_shown(groups), now_ms=now_ms())


async def live(request: web.Request) -> web.StreamResponse:
    """The groups, whenever they change."""
    templates = {"groups": "dead_letters/groups.html"}
    return await stream_parts(
        request, console_of(request).failures, templates, lambda groups: {**_shown(groups), "now_ms": 0}
    )


async def show_group(request: web.Request) -> web.StreamResponse:
    """One group, and a page of its events."""
    group = await _group(request)
    cursor = request.query.get("cursor", "")
    found = await console_of(request).backend.ask(listing, Filter(failure=group.id), cursor)
    return await render(
        request, "dead_letters/group.html", group=group, listing=found, is_first=not cursor, now_ms=now_ms()
    )


async def ask(request: web.Request) -> web.StreamResponse:
    """What a replay of the group would do. Nothing is changed."""
    return await render(request, "dead_letters/replay.html", group=await _group(request))


async def replay(request: web.Request) -> web.StreamResponse:
    """Ask for it."""
    group, given = await _group(request), await form(request)
    return await begin_replay(request, Filter(failure=group.id), given, action=group.action)


def _shown(groups: list[FailureGroup]) -> dict[str, Any]:
    return {"groups": groups[:SHOWN_GROUPS], "more": len(groups[SHOWN_GROUPS:])}


async def _group(request: web.Request) -> FailureGroup:
    found = await console_of(request).backend.ask(failure_groups, request.match_info["group"])
    if not found:
        raise web.HTTPNotFound(text="there are no dead letters of this group any more")
    return found[0]
