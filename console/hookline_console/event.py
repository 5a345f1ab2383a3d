"""One event's page: everything that is known of it, live while it runs; and what can be done with it."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from hookline.keys import EVENT_PREFIX
from hookline.operations import now_ms, text
from hookline.recorded import recorded_name, recorded_text
from hookline.settings import Settings
from hookline.store import Store
from hookline_console.answers import done
from hookline_console.bodies import body_of, raw_body
from hookline_console.changes import readings, when_other
from hookline_console.curl import WRITTEN_MOST_BYTES, as_curl
from hookline_console.forms import form
from hookline_console.pages import part, render
from hookline_console.state import console_of
from hookline_console.story import story
from hookline_console.stream import stream
from hookline_console.typed import typed

EVENT = r"/events/{id:[0-9a-f]{24}}"


def routes() -> list[web.RouteDef]:
    """The page, what is new on it, its downloads, and the replay."""
    return [
        web.get(EVENT, show),
        web.get(f"{EVENT}/live", live),
        web.get(f"{EVENT}/body", body),
        web.get(f"{EVENT}/fixture", fixture),
        web.post(f"{EVENT}/replay", replay),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    """The page."""
    console, is_raw = console_of(request), request.query.get("body") == "raw"
    values = await console.backend.ask(_page, request.match_info["id"], _hooks_url(console.settings), is_raw)
    return await render(request, "event.html", **values, is_raw=is_raw, now_ms=now_ms())


async def live(request: web.Request) -> web.StreamResponse:
    """Its facts, runs and moments, whenever they change."""
    event_id, backend = request.match_info["id"], console_of(request).backend

    def parts(fields: dict[str, bytes]) -> dict[str, str]:
        if not fields:
            return {"story": part(request, "event/gone.html")}
        return {
            "story": part(request, "event/story.html", story=story(event_id, fields), now_ms=0),
        }

    read = partial(backend.ask, _all_but_body, event_id)
    return await stream(request, readings(request, read, when_other(parts)))


async def body(request: web.Request) -> web.Response:
    """The body as it came, to be saved: a browser must not take it for a page."""
    fields = await _fields(request)
    return _download(_body_name(request.match_info["id"]), "text/plain", fields["body"])


async def fixture(request: web.Request) -> web.Response:
    """The delivery as a file for a plugin's tests."""
    fields = await _fields(request)
    name = recorded_name(request.match_info["id"], fields)
    return _download(name, "application/json", recorded_text(fields).encode())


async def replay(request: web.Request) -> web.StreamResponse:
    """Run it again, all of its actions or one."""
    event_id = request.match_info["id"]
    action = (await form(request)).get("action", "")
    replayed = await console_of(request).backend.ask(_replay, event_id, action)
    what = f"{action} runs again on it" if action else "It runs again"
    said = f"{what}." if replayed else "It is not finished yet, so it runs anyway; nothing was changed."
    return await done(request, said, f"/events/{event_id}")


def _page(store: Store, event_id: str, hooks_url: str, is_raw: bool) -> dict[str, Any]:
    """What the page shows. Made in the thread, as a large body takes some time."""
    fields = store.fields(event_id)
    if not fields:
        raise _gone(event_id)
    told, raw = story(event_id, fields), fields["body"]
    headers = [(header.name, header.value) for header in told.headers]
    return {
        "story": told,
        "body": raw_body(raw) if is_raw else body_of(raw),
        "typed": typed(fields),
        "curl": as_curl(hooks_url + told.source, headers, raw, _body_name(event_id)),
        "is_curl_with_file": len(raw) > WRITTEN_MOST_BYTES,
    }


def _all_but_body(store: Store, event_id: str) -> dict[str, bytes]:
    key = EVENT_PREFIX + event_id
    names = [name for name in text(store.redis.hkeys(key)) if name != "body"]
    values: list[Any] = store.redis.hmget(key, names) if names else []
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _replay(store: Store, event_id: str, action: str) -> list[str]:
    return store.replay([event_id], action)


async def _fields(request: web.Request) -> dict[str, bytes]:
    event_id = request.match_info["id"]
    fields = await console_of(request).backend.ask(lambda store: store.fields(event_id))
    if not fields:
        raise _gone(event_id)
    return fields


def _gone(event_id: str) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no event {event_id}; it may have been purged")


def _hooks_url(settings: Settings) -> str:
    """Where deliveries go, up to the name of their source."""
    receiver = settings.receiver
    base = receiver.public_url or f"http://{receiver.host}:{receiver.port}"
    return f"{base.rstrip('/')}/hooks/"


def _body_name(event_id: str) -> str:
    return f"{event_id}.txt"


def _download(name: str, content_type: str, content: bytes) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=content, content_type=content_type, charset="utf-8", headers=headers)
