"""Begins a bulk replay as its form has asked for it (`replays/choices.html`); its own page then goes on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import structlog
from aiohttp import web

from hookline.errors import HooklineError
from hookline.filters import Filter
from hookline.replays import Bulk, begin, gather
from hookline_console.answers import done
from hookline_console.state import console_of

GATHER_SECONDS = 1.0
"""For so long is waited for the events to be written down; beyond that the next page tells how far it is."""

log = structlog.get_logger(__name__)


async def begin_replay(
    request: web.Request, wanted: Filter, given: Mapping[str, str], *, action: str
) -> web.StreamResponse:
    """Replay these events, at the rate that the form has; `action` is what it can choose to run alone."""
    alone, rate = action if given.get("only") else "", _rate(given.get("per_second", ""))
    backend = console_of(request).backend
    bulk: Bulk = await backend.ask(begin, wanted, action=alone, per_second=rate)
    gathering = asyncio.create_task(backend.ask(gather, bulk.id, wanted))
    gathering.add_done_callback(_tell)
    await asyncio.wait({gathering}, timeout=GATHER_SECONDS)
    return await done(request, "The replay has begun.", f"/replays/{bulk.id}")


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
