"""A delivery as the exact bytes that its sender writes to the socket, and the URL that they go to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from hookline.errors import SettingsError
from hookline.providers import Delivery

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WAY_OUT = "give one like http://127.0.0.1:8080/hooks/misskey"
_URL_SAFE = "/%:@!$&'()*+,;=~?"
_CREDENTIALS = re.compile(r"//[^/?#]*@")
_PLAIN_FRAME = ((0, b"Host"), (1, b"Content-Length"))


@dataclass(frozen=True, slots=True)
class Outgoing(Delivery):
    """A delivery to be sent.

    `frame` says where, and in which case, its sender writes the headers that depend on the connection:
    position among the header lines, and name.
    """

    frame: Sequence[tuple[int, bytes]] = _PLAIN_FRAME


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart and ready for the wire."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the Host header: the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """Where `url` points. Raises SettingsError that says what a sender could not do with it."""
    if _CREDENTIALS.search(url):  # first of all, since the other errors show the URL
        raise SettingsError(f"the URL has a user or password in it, and Misskey refuses that; {_WAY_OUT}")
    if any(character <= " " or character == "\x7f" for character in url):
        raise SettingsError(f"URL {url!r} has white space or control characters in it; {_WAY_OUT}")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError as error:
        raise SettingsError(f"URL {url!r}: {error}; {_WAY_OUT}") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise SettingsError(
            f"URL {url!r}: the scheme must be http or https, not {parts.scheme!r}; {_WAY_OUT}"
        )
    if not host:
        raise SettingsError(f"URL {url!r} names no host; {_WAY_OUT}")
    return Target(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port, _path(parts))


def request_bytes(delivery: Delivery, target: Target) -> bytes:
    """The whole request, byte for byte in the sender's style.

    A header of the frame that the delivery itself has is left as it is: so a wrong one can be sent, too.
    """
    frame = delivery.frame if isinstance(delivery, Outgoing) else _PLAIN_FRAME
    values = {
        b"host": target.authority.encode("ascii"),
        b"content-length": b"%d" % len(delivery.body),
        b"connection": b"keep-alive",
    }
    lines = [b"%b: %b" % header for header in delivery.headers]
    for position, name in frame:
        if delivery.header(name.lower()) is None:
            lines.insert(position, b"%b: %b" % (name, values[name.lower()]))
    return b"\r\n".join([b"POST %b HTTP/1.1" % target.path.encode("ascii"), *lines, b"", delivery.body])


def compact_json(payload: Any) -> bytes:
    """The bytes that JavaScript's `JSON.stringify` gives: no spaces, key order kept, non-ASCII as UTF-8."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def _path(parts: SplitResult) -> str:
    query = f"?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else ""
    return quote(parts.path or "/", safe=_URL_SAFE.removesuffix("?")) + query
