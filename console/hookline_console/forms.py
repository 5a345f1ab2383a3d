"""Reads what a form has sent; whatever cannot be read is refused, and is no mistake of ours."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

FORM = "application/x-www-form-urlencoded"
"""In UTF-8, whatever it says itself: some of Python's codecs take half a minute, and a stranger may ask."""
MOST_FIELDS = 100
ARRIVES_SECONDS = 10.0
UNREADABLE = (ValueError, HttpProcessingError, web.RequestPayloadError)
"""Bytes that are no text, too many fields, a compressed body that breaks off."""


async def form(request: web.Request) -> dict[str, str]:
    """Its fields; of several with one name, the first."""
    try:
        async with asyncio.timeout(ARRIVES_SECONDS):
            raw = await request.read()
        if raw and request.content_type != FORM:
            raise web.HTTPUnsupportedMediaType(text=f"a form is read as {FORM} alone, so nothing was done")
        given = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="this form did not come in time, so nothing was done") from error
    except UNREADABLE as error:
        raise web.HTTPBadRequest(text="this form cannot be read, so nothing was done") from error
    return dict(reversed(given))
