"""Pages that stay up to date: HTML of those parts that changed is sent, made by their templates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from aiohttp import web

from hookline_console.lookout import Away, Lookout
from hookline_console.pages import part
from hookline_console.stream import Message, stream

T = TypeVar("T")


async def stream_parts(
    request: web.Request,
    lookout: Lookout[T],
    templates: Mapping[str, str],
    shown: Callable[[T], dict[str, Any]],
) -> web.StreamResponse:
    """Stream the parts of a page, each by its template, as the readings come; `shown` is what they show."""
    return await stream(request, _changes(request, lookout, templates, shown))


async def _changes(
    request: web.Request,
    lookout: Lookout[T],
    templates: Mapping[str, str],
    shown: Callable[[T], dict[str, Any]],
) -> AsyncGenerator[Message, None]:
    sent: dict[str, str] = {}
    async with aclosing(lookout.readings()) as readings:
        async for reading in readings:
            if isinstance(reading, Away):
                yield Message("away", f"Redis does not answer: {reading.reason}. This page is as of before.")
                continue
            values = shown(reading)
            made = {name: part(request, template, **values) for name, template in templates.items()}
            yield Message("parts", {name: html for name, html in made.items() if sent.get(name) != html})
            sent |= made
