"""The style sheet, the script and the icon: read once, named after what is in them, and kept by browsers."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from aiohttp import web

from hookline_console.open_pages import open_to_all

FOLDER = Path(__file__).parent / "static"
CONTENT_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOR_GOOD = "public, max-age=31536000, immutable"


def routes() -> list[web.RouteDef]:
    """Where they are."""
    return [web.get("/static/{name}", show)]


def static_url(name: str) -> str:
    """The path of a file; it is another one when the file is."""
    return f"/static/{name}?v={_files()[name][1]}"


@open_to_all
async def show(request: web.Request) -> web.Response:
    """One file."""
    name = request.match_info["name"]
    if name not in _files():
        raise web.HTTPNotFound
    content, version = _files()[name]
    is_current = request.query.get("v") == version
    return web.Response(
        body=content,
        content_type=CONTENT_TYPES[Path(name).suffix],
        charset="utf-8",
        headers={"Cache-Control": FOR_GOOD if is_current else "no-cache"},
    )


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Each file's content and a name for it."""
    read = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in CONTENT_TYPES}
    return {name: (content, hashlib.sha256(content).hexdigest()[:12]) for name, content in read.items()}
