"""The replay of what a query finds: counted first, then asked for, and the same events both times."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from urllib.parse import parse_qsl

from aiohttp import web

from hookline.errors import HooklineError
from hookline.filters import Filter
from hookline.ledger import FINISHED
from hookline.operations import now_ms
from hookline.store import Store
from hookline.walk import LOOKS, walk
from hookline_console.forms import form
from hookline_console.pages import render
from hookline_console.queries import Query, wanted
from hookline_console.replaying import begin_replay
from hookline_console.replays import in_words
from hookline_console.state import console_of
from hookline_console.wording import iso

COUNT_SECONDS = 1.0
"""For so long is counted before the page is shown."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many events a filter finds."""

    finished: int
    unfinished: int
    is_all: bool
    """Whether there was time to look at all of them; else there are so many at the least."""


def routes() -> list[web.RouteDef]:
    """The question, and the replay."""
    return [web.get("/events/replay", ask), web.post("/events/replay", replay)]


async def ask(request: web.Request) -> web.StreamResponse:
    """What a replay of the query would do. Nothing is changed."""
    query = Query.read(request.query)
    meant = _meant(query)
    return await render(
        request,
        "events/replay.html",
        query=query,
        frozen=_frozen(query, meant),
        what=in_words(asdict(meant)),
        counted=await console_of(request).backend.ask(_counted, meant),
    )


async def replay(request: web.Request) -> web.StreamResponse:
    """Ask for it."""
    given = await form(request)
    query = Query.read(dict(parse_qsl(given.get("query", ""))))
    return await begin_replay(request, _meant(query), given, action=query.action)


def _meant(query: Query) -> Filter:
    """What it finds of all that has come by now. Raises HooklineError for one that is empty or wrong."""
    if query.is_empty:
        raise HooklineError("say what to replay: find events by a source, a state or a text first")
    meant, problems = wanted(query)
    if problems:
        raise HooklineError("; ".join(problems.values()))
    at_ms = now_ms()
    return replace(meant, until_ms=at_ms if meant.until_ms is None else min(meant.until_ms, at_ms))


def _frozen(query: Query, meant: Filter) -> str:
    """The query, its times being those that were counted with, for a form.

    It is one field and percent-encoded, as a browser sends other line ends than the form has.
    """
    since, until = ("" if ms is None else iso(ms) for ms in (meant.since_ms, meant.until_ms))
    return replace(query, since=since, until=until).encoded()


def _counted(store: Store, meant: Filter) -> Counted:
    stop = time.monotonic() + COUNT_SECONDS
    finished = unfinished = 0
    for step in walk(store, meant, most=LOOKS):
        now_finished = sum(event.state in FINISHED for event in step.found)
        finished, unfinished = finished + now_finished, unfinished + len(step.found) - now_finished
        if not step.is_last and time.monotonic() >= stop:
            return Counted(finished, unfinished, is_all=False)
    return Counted(finished, unfinished, is_all=True)
