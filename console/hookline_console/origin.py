"""Requests that a page of somebody else's may have made: by a name that is not ours, or from another site."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from hookline.settings import Console

PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")
"""Names below these belong to nobody, so that nobody can make them lead here."""


def is_ours(host: str, settings: Console) -> bool:
    """Could no stranger have made the name in this Host header lead here (DNS rebinding)?

    With TLS in front any name is good: a browser has seen its certificate.
    """
    if settings.secure_cookies:
        return True
    name = (_read(f"//{host}").hostname or "").rstrip(".")
    if not name or name == settings.host.lower():
        return bool(name)
    return "." not in name or _is_address(name) or name.endswith(PRIVATE_SUFFIXES)


def is_cross_site(request: web.Request) -> bool:
    """Does the browser say that another site's page made this request? Programs say nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and _read(origin).netloc.lower() != request.headers.get("Host", "").lower()


def local_path(path: str) -> str:
    """The path, when it leads to a page of this console; else `/`."""
    printable = path.isprintable() and "\\" not in path
    return path if printable and path.startswith("/") and not path.startswith("//") else "/"


def _read(url: str) -> SplitResult:
    """Its parts; none of what is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
