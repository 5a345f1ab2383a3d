"""Bulk replays: how far each is, while it goes, and how to pause it, let it go on and end it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from hookline.keys import FAILURES_KEY
from hookline.operations import now_ms
from hookline.replays import Bulk, bulk, bulks, cancel_bulk, pause_bulk, resume_bulk
from hookline.store import Store
from hookline_console.answers import done
from hookline_console.changes import readings, when_other
from hookline_console.pages import part, render
from hookline_console.state import console_of
from hookline_console.stream import stream
from hookline_console.wording import utc

REPLAY = r"/replays/{id:[0-9a-f]{1,32}}"
_STEPS = {
    "pause": (pause_bulk, "The replay is paused; what was put back already runs.", "it is not running."),
    "resume": (resume_bulk, "The replay goes on.", "it is not paused."),
    "cancel": (cancel_bulk, "The replay is cancelled; what was put back already runs.", "it is over."),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A bulk replay and what it is of, in words."""

    bulk: Bulk
    what: str

    @property
    def behind(self) -> int:
        """How many events are behind it, put back or passed over."""
        return self.bulk.done + self.bulk.skipped

    @property
    def left_ms(self) -> float | None:
        """How long it will take at the rate that it was given, and not less; None without one."""
        return self.bulk.left / self.bulk.per_second * 1000 if self.bulk.per_second else None


def routes() -> list[web.RouteDef]:
    """All of them, one, what is new of them, and what to do with one."""
    return [
        web.get("/replays", show),
        web.get("/replays/live", live),
        web.get(REPLAY, show_one),
        web.get(f"{REPLAY}/live", live_one),
        web.post(f"{REPLAY}/{{step:pause|resume|cancel}}", steer),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    """All of them."""
    found = await console_of(request).backend.ask(_all)
    return await render(request, "replays.html", replays=found, now_ms=now_ms())


async def live(request: web.Request) -> web.StreamResponse:
    """All of them, whenever one is not as it was."""

    def parts(found: list[Shown]) -> dict[str, str]:
        return {"replays": part(request, "replays/list.html", replays=found, now_ms=0)}

    backend = console_of(request).backend
    return await stream(request, readings(request, lambda: backend.ask(_all), when_other(parts)))


async def show_one(request: web.Request) -> web.StreamResponse:
    """One of them."""
    found = await console_of(request).backend.ask(_one, request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound(text="there is no such replay; a week after its end it is forgotten")
    return await render(request, "replays/one.html", shown=found, now_ms=now_ms())


async def live_one(request: web.Request) -> web.StreamResponse:
    """How far it is."""
    backend, bulk_id = console_of(request).backend, request.match_info["id"]

    def parts(found: Shown | None) -> dict[str, str]:
        return {"replay": part(request, "replays/progress.html", shown=found, now_ms=0)} if found else {}

    return await stream(request, readings(request, lambda: backend.ask(_one, bulk_id), when_other(parts)))


async def steer(request: web.Request) -> web.StreamResponse:
    """Pause it, let it go on, or end it."""
    bulk_id = request.match_info["id"]
    step, said, otherwise = _STEPS[request.match_info["step"]]
    was_done = await console_of(request).backend.ask(step, bulk_id)
    return await done(
        request, said if was_done else f"Nothing was changed: {otherwise}", f"/replays/{bulk_id}"
    )


def _all(store: Store) -> list[Shown]:
    return _told(store, bulks(store))


def _one(store: Store, bulk_id: str) -> Shown | None:
    found = bulk(store, bulk_id)
    return _told(store, [found])[0] if found else None


def _told(store: Store, found: Sequence[Bulk]) -> list[Shown]:
    names = sorted({each.wanted["failure"] for each in found if "failure" in each.wanted})
    labels: list[Any] = store.redis.hmget(FAILURES_KEY, names) if names else []
    groups = {name: json.loads(label) for name, label in zip(names, labels, strict=True) if label}
    return [Shown(each, _words(each, groups)) for each in found]


def _words(bulk: Bulk, groups: dict[str, dict[str, str]]) -> str:
    """What was asked for: `dead letters of hello.thank: ValueError: #`, `state dead, source misskey`."""
    wanted = bulk.wanted
    if "failure" in wanted:
        group = groups.get(wanted["failure"])
        if group is None:
            return "a group of dead letters"
        return f"dead letters of {group['action'] or 'what could not be read'}: {group['error']}"
    if "ids" in wanted:
        return "one event" if wanted["ids"] == 1 else f"{wanted['ids']:,} events by their ids"
    return in_words(wanted)


def in_words(wanted: Mapping[str, object]) -> str:
    """What the fields of a filter ask for, the times at the end: `source misskey, state dead, since …`."""
    there = [name for name, value in wanted.items() if value is not None]
    there.sort(key=lambda name: name.endswith("_ms"))
    return ", ".join(_part(name, wanted[name]) for name in there) or "every event"


def _part(name: str, value: object) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return f"{name.removesuffix('_ms')} {utc(value)}"
    return f"{name} {value}"
