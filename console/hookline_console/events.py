"""The list of events: searched, filtered, a page at a time, and live on top."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from aiohttp import web

from hookline.filters import Filter
from hookline.index import search
from hookline.keys import EVENT_PREFIX
from hookline.ledger import FINISHED
from hookline.operations import now_ms
from hookline.store import Store
from hookline_console.changes import readings
from hookline_console.news import Change, News
from hookline_console.pages import part, render
from hookline_console.queries import STATES, Query, wanted
from hookline_console.rows import Row, rows
from hookline_console.state import console_of
from hookline_console.stream import Message, stream

PAGE_EVENTS = 50
SEARCH_SECONDS = 0.1
"""For so long is looked before a page is shown; it goes on from there."""
MOST_DIGITS = 15
"""Of a time in ms: until the year 5138."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the list."""

    rows: list[Row]
    cursor: str
    """Where the next page begins; empty at the end."""
    looked_at: int
    reached_ms: int | None

    @property
    def is_unfinished(self) -> bool:
        """Whether the search's time was over before the page was full."""
        return bool(self.cursor) and len(self.rows) < PAGE_EVENTS


def routes() -> list[web.RouteDef]:
    """The list, more of it, and what is new in it."""
    return [web.get("/events", show), web.get("/events/more", more), web.get("/events/live", live)]


async def show(request: web.Request) -> web.StreamResponse:
    """A page of it, with the form that it was asked for by."""
    console, query = console_of(request), Query.read(request.query)
    if query == Query(text=query.text) and await console.backend.ask(is_event, query.text):
        raise web.HTTPSeeOther(f"/events/{query.text}")  # an id was put where one searches
    meant, problems = wanted(query)
    cursor = request.query.get("cursor", "")
    names = await console.backend.ask(Store.index_names)
    types = sorted({name.partition("/")[2] for name in names} - {""})
    found, at_ms = await console.backend.ask(listing, meant, cursor), now_ms()
    return await render(
        request,
        "events.html",
        query=query,
        problems=problems,
        can_replay=not (query.is_empty or problems) and bool(found.rows or found.cursor),
        listing=found,
        is_first=not cursor,
        is_live=not (cursor or query.until or query.id),
        sources=sorted({*console.settings.sources, *(name.partition("/")[0] for name in names)}),
        types=types,
        nearest=[] if query.type in types else difflib.get_close_matches(query.type, types),
        states=STATES,
        from_ms=from_ms(found.rows, at_ms),
        now_ms=at_ms,
    )


async def more(request: web.Request) -> web.Response:
    """What follows a page, for its script: rows, and what is then to be told below them."""
    query = Query.read(request.query)
    meant, _ = wanted(query)
    cursor = request.query.get("cursor", "")
    found = await console_of(request).backend.ask(listing, meant, cursor)
    return web.json_response(
        {
            "rows": part(request, "events/rows.html", rows=found.rows, now_ms=now_ms()),
            "foot": part(request, "events/foot.html", listing=found, query=query),
            "found": len(found.rows),
        }
    )


async def live(request: web.Request) -> web.StreamResponse:
    """Events as they come and change."""
    meant, _ = wanted(Query.read(request.query))
    given, backend = request.query.get("from_ms", ""), console_of(request).backend
    since_ms = int(given) if given.isdecimal() and len(given) < MOST_DIGITS else now_ms()
    news = await backend.ask(lambda store: News(store, meant, from_ms=since_ms))

    def shown(changes: list[Change]) -> Message | None:
        told = [
            {"id": each.row.summary.id, "html": _html(request, each.row), "fits": each.fits}
            for each in changes
        ]
        return Message("rows", told) if told else None

    return await stream(request, readings(request, lambda: backend.ask(lambda _: news.look()), shown))


def listing(store: Store, meant: Filter, cursor: str = "") -> Listing:
    """A page of the events that are meant, the newest first, after this cursor."""
    page = search(store, meant, size=PAGE_EVENTS, cursor=cursor, seconds=SEARCH_SECONDS)
    return Listing(rows(store, page.events), page.cursor, page.looked_at, page.reached_ms)


def from_ms(listed: list[Row], now_ms: int) -> int:
    """From when on a list must be watched: its oldest event that is still under way will change."""
    open_since = [each.summary.received_at_ms for each in listed if each.summary.state not in FINISHED]
    return min(open_since, default=now_ms)


def _html(request: web.Request, row: Row) -> str:
    return part(request, "events/rows.html", rows=[row], now_ms=0).strip()


def is_event(store: Store, text: str) -> bool:
    """Whether this text is the id of a stored event."""
    return bool(re.fullmatch("[0-9a-f]{24}", text) and store.redis.exists(EVENT_PREFIX + text))
