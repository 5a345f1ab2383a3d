"""Dead letters, grouped by action and error, and the replay of a group: counted first, then asked for."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import structlog
from aiohttp import web

from hookline.errors import HooklineError
from hookline.filters import Filter
from hookline.index import FailureGroup, failure_groups
from hookline.operations import now_ms
from hookline.replays import Bulk, begin, gather
from hookline_console.answers import done
from hookline_console.events import listing
from hookline_console.forms import form
from hookline_console.pages import render
from hookline_console.parts import stream_parts
from hookline_console.state import console_of

GROUP = r"/dead/{group:[0-9A-Za-z_-]{1,64}}"
SHOWN_GROUPS = 200
GATHER_SECONDS = 1.0
"""For so long is waited for the events to be written down; beyond that the next page tells how far it is."""

log = structlog.get_logger(__name__)


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
    action = group.action if given.get("only") else ""
    rate = _rate(given.get("per_second", ""))
    backend, wanted = console_of(request).backend, Filter(failure=group.id)
    bulk: Bulk = await backend.ask(begin, wanted, action=action, per_second=rate)
    gathering = asyncio.create_task(backend.ask(gather, bulk.id, wanted))
    gathering.add_done_callback(_tell)
    await asyncio.wait({gathering}, timeout=GATHER_SECONDS)
    return await done(request, "The replay has begun.", f"/replays/{bulk.id}")


def _shown(groups: list[FailureGroup]) -> dict[str, Any]:
    return {"groups": groups[:SHOWN_GROUPS], "more": len(groups[SHOWN_GROUPS:])}


async def _group(request: web.Request) -> FailureGroup:
    found = await console_of(request).backend.ask(failure_groups, request.match_info["group"])
    if not found:
        raise web.HTTPNotFound(text="there are no dead letters of this group any more")
    return found[0]


def _rate(given: str) -> float | None:
    """Events a second, or None for no limit."""
    if not given.strip():
        return None
    try:
        rate = float(given)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise HooklineError(f"{given!r} is no number of events a second; give one above 0, or nothing")
    return rate


def _tell(gathering: asyncio.Task[Bulk]) -> None:
    """Say why a replay's events were not all written down; it is ended when nothing is added for an hour."""
    error = None if gathering.cancelled() else gathering.exception()
    if error is not None and not isinstance(error, TimeoutError):  # the thread goes on by itself
        log.error("the events of a replay were not written down", error=str(error))
