"""Reads what a form has sent; whatever cannot be read is refused, and is no mistake of ours."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

UNREADABLE = (ValueError, LookupError, HttpProcessingError)
"""Bytes that are no text, a character set that nobody knows, a multipart body that breaks off."""


async def form(request: web.Request) -> dict[str, str]:
    """The fields that are text; of several with one name, the first."""
    try:
        given = await request.post()
    except UNREADABLE as error:
        raise web.HTTPBadRequest(text="this form cannot be read, so nothing was done") from error
    fields: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, str):
            fields.setdefault(name, value)
    return fields
