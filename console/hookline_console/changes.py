"""Pages that move: what is stored is read again and again, and whoever watches is told when it is another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from hookline.connections import is_unavailable
from hookline_console.state import console_of
from hookline_console.stream import Message

T = TypeVar("T")

LOOK_SECONDS = 1.0
ALL_IS_WELL = Message("parts", {})
"""Changes nothing, and takes back what the page said of an interruption."""


async def readings(
    request: web.Request, read: Callable[[], Awaitable[T]], show: Callable[[T], Message | None]
) -> AsyncGenerator[Message, None]:
    """What `show` makes of each reading, where that is anything; `away` while Redis doesn't answer.

    Nothing is read while the viewer has not taken what was read before.
    """
    seconds, was_away = min(LOOK_SECONDS, console_of(request).look_seconds), True
    while True:
        try:
            message = show(await read())
            is_away = False
        except Exception as error:
            if not isinstance(error, TimeoutError) and not is_unavailable(error):
                raise
            message, is_away = _away(error), True
        if message or was_away:
            yield message or ALL_IS_WELL
        was_away = is_away
        await asyncio.sleep(seconds)


def _away(error: Exception) -> Message:
    why = str(error) or "it is too slow"
    return Message("away", f"Redis does not answer: {why}. This page is as of before.")


def when_other(show: Callable[[T], dict[str, str]]) -> Callable[[T], Message | None]:
    """A `show` for `readings`: the parts of the page that are not as they were when last told."""
    told: dict[str, str] = {}

    def parts(reading: T) -> Message | None:
        now = show(reading)
        other = {name: html for name, html in now.items() if told.get(name) != html}
        told.update(other)
        return Message("parts", other) if other else None

    return parts
