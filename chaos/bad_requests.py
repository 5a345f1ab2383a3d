"""Raw requests for the socket: damaged, contradictory, oversized and outlandish, and where each is cut."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random

from chaos.damage import MORSELS, damaged
from chaos.genuine import ESA_SECRET, MISSKEY_SECRET, PROVIDERS, SECRETS, pool
from chaos.odd_http import (
    CHUNK_SIZES,
    CODINGS,
    LENGTHS,
    METHODS,
    ODD_HEADERS,
    OTHER_PROTOCOLS,
    SECRET_HEADER,
    TARGETS,
    VERSIONS,
)
from hookline.providers import Delivery
from hookline.senders import parse_target, request_bytes

AREA = "socket"
MOST_BODY_BYTES = 64 * 1024
PATHS = {"misskey": "/hooks/misskey", "esa": "/hooks/team"}
_BOMB_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BadRequest:
    """What is written to one connection, in these pieces; `may_be_accepted` if a secret is in it."""

    pieces: tuple[bytes, ...]

    @property
    def raw(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces)

    @property
    def may_be_accepted(self) -> bool:
        """Whether there is anything in it that could prove who sent it."""
        raw = self.raw.lower()
        return MISSKEY_SECRET.lower() in raw or any(signature in raw for signature in signatures())


def make(rng: Random) -> BadRequest:
    """A request that nobody should send."""
    raw = rng.choices(_KINDS, _WEIGHTS)[0](rng)
    if rng.random() < 0.1:
        raw = damaged(rng, raw)
    if rng.random() < 0.15:  # one on top of the other
        raw += rng.choice((genuine(rng), raw, _bad_length(rng)))
    return BadRequest(_cut(rng, raw))


def genuine(rng: Random) -> bytes:
    """A request as its sender would write it."""
    name = rng.choice(PROVIDERS)
    return _request(name, rng.choice(pool(name, SECRETS[name])).delivery)


@cache
def signed_bodies() -> frozenset[bytes]:
    """Hashes of every body that is ever signed for esa here."""
    bodies = [each.delivery.body for each in pool("esa", ESA_SECRET)]
    return frozenset(hashlib.sha256(body).digest() for body in (*bodies, *_bombs()))


@cache
def signatures() -> frozenset[bytes]:
    """Every signature that is ever made for esa here."""
    bodies = [each.delivery.body for each in pool("esa", ESA_SECRET)]
    return frozenset(map(_signature, (*bodies, *_bombs())))


def _signature(body: bytes) -> bytes:
    return hmac.new(ESA_SECRET, body, hashlib.sha256).hexdigest().encode()


def _request(name: str, delivery: Delivery) -> bytes:
    return request_bytes(delivery, parse_target(f"http://127.0.0.1{PATHS[name]}"))


def _parts(rng: Random) -> tuple[list[bytes], bytes]:
    """The lines of a genuine request's head, and its body."""
    head, _, body = genuine(rng).partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def _whole(lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join((*lines, b"", body))


def _without(lines: list[bytes], name: bytes) -> list[bytes]:
    return [line for line in lines if not line.lower().startswith(name + b":")]


def _damage(rng: Random) -> bytes:
    lines, body = _parts(rng)
    head = damaged(rng, b"\r\n".join(lines), 3) if rng.random() < 0.7 else b"\r\n".join(lines)
    return head + b"\r\n\r\n" + (damaged(rng, body, 2) if rng.random() < 0.5 else body)


def _bad_first_line(rng: Random) -> bytes:
    lines, body = _parts(rng)
    method, target, version = lines[0].decode("latin-1").split(" ")
    target = rng.choice(TARGETS) if rng.random() < 0.7 else target
    method = rng.choice(METHODS) if rng.random() < 0.2 else method
    version = rng.choice(VERSIONS) if rng.random() < 0.2 else version
    return _whole(
        [f"{method} {target} {version}".encode("utf-8" if rng.random() < 0.3 else "latin-1"), *lines[1:]],
        body,
    )


def _bad_headers(rng: Random) -> bytes:
    lines, body = _parts(rng)
    for _ in range(rng.randint(1, 4)):
        lines.insert(rng.randint(1, len(lines)), rng.choice(ODD_HEADERS))
    return _whole(lines, body)


def _header_bomb(rng: Random) -> bytes:
    lines, body = _parts(rng)
    count, length = rng.choice(
        ((100, 10), (129, 1), (2000, 1), (5, 8000), (1, 8190), (1, 100_000), (120, 4000))
    )
    lines += [b"x-%d: %b" % (number, b"a" * length) for number in range(count)]
    return _whole(lines, body)


def _bad_length(rng: Random) -> bytes:
    lines, body = _parts(rng)
    length = f"Content-Length: {rng.choice(LENGTHS)}".encode()
    if rng.random() < 0.7:
        lines = _without(lines, b"content-length")
    return _whole([*lines, length], body)


def _both_framings(rng: Random) -> bytes:
    lines, body = _parts(rng)
    coding = f"Transfer-Encoding: {rng.choice(CODINGS)}".encode("latin-1")
    if rng.random() < 0.5:
        lines = _without(lines, b"content-length")
    return _whole([*lines, coding], _in_chunks(rng, body) if rng.random() < 0.7 else body)


def _chunked(rng: Random) -> bytes:
    lines, body = _parts(rng)
    return _whole([*_without(lines, b"content-length"), b"Transfer-Encoding: chunked"], _in_chunks(rng, body))


def _in_chunks(rng: Random, body: bytes) -> bytes:
    chunks, most = [], rng.choice((1, 7, 100, 5000))
    if most == 1:
        body = body[:200]
    while body:
        chunk, body = body[:most], body[most:]
        size = rng.choice(CHUNK_SIZES) if rng.random() < 0.01 else b"%x" % len(chunk)
        extension = b";a=b" if rng.random() < 0.02 else b""
        end = rng.choice(MORSELS) if rng.random() < 0.01 else b"\r\n"
        chunks.append(size + extension + b"\r\n" + chunk + end)
    last = rng.choice(
        (b"0\r\n\r\n",) * 6
        + (b"0;a\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n" + SECRET_HEADER + b"\r\n\r\n", b"", b"0")
    )
    return b"".join(chunks) + last


def _large(rng: Random) -> bytes:
    lines, _ = _parts(rng)
    body = b"x" * rng.choice((MOST_BODY_BYTES - 1, MOST_BODY_BYTES, MOST_BODY_BYTES + 1, 4 * MOST_BODY_BYTES))
    if rng.random() < 0.5:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:5000], body[5000:]))
        return _whole(
            [*_without(lines, b"content-length"), b"Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n"
        )
    return _whole([*_without(lines, b"content-length"), b"Content-Length: %d" % len(body)], body)


def _compressed(rng: Random) -> bytes:
    body = rng.choice(_bombs())
    headers = [(b"X-Esa-Signature", b"sha256=" + _signature(body))]
    headers += [(b"Content-Encoding", rng.choice((b"gzip", b"deflate", b"br", b"gzip, gzip")))]
    return _request("esa", Delivery(headers, body))


@cache
def _bombs() -> tuple[bytes, ...]:
    """Small bodies that would be large if anybody opened them."""
    nothing = bytes(_BOMB_BYTES)
    return (
        gzip.compress(nothing, mtime=0),
        zlib.compress(nothing),
        gzip.compress(gzip.compress(nothing, mtime=0), mtime=0),
    )


def _invented(rng: Random) -> bytes:
    target, method = rng.choice(TARGETS), rng.choice(("POST", *METHODS))
    lines = [f"{method} {target} {rng.choice(('HTTP/1.1', *VERSIONS))}".encode("latin-1", "replace")]
    return _whole([*lines, *rng.choices(ODD_HEADERS, k=rng.randrange(6))], rng.randbytes(rng.randrange(50)))


def _other_protocol(rng: Random) -> bytes:
    return (
        rng.choice(OTHER_PROTOCOLS)
        if rng.random() < 0.5
        else rng.randbytes(rng.randrange(1, 500)) + b"\r\n\r\n"
    )


def _cut(rng: Random, raw: bytes) -> tuple[bytes, ...]:
    """Mostly whole; else in pieces, at any place."""
    if rng.random() < 0.7 or len(raw) < 2:
        return (raw,)
    places = sorted(rng.randrange(1, len(raw)) for _ in range(rng.choice((1, 2, 5))))
    return tuple(raw[start:end] for start, end in zip((0, *places), (*places, len(raw)), strict=True))


_WEIGHTED: dict[Callable[[Random], bytes], float] = {
    _damage: 8,
    _bad_first_line: 6,
    _bad_headers: 5,
    _bad_length: 3,
    _both_framings: 4,
    _chunked: 4,
    _invented: 4,
    _other_protocol: 2,
    _header_bomb: 0.5,
    _large: 0.3,
    _compressed: 0.3,
    genuine: 2,
}
_KINDS, _WEIGHTS = tuple(_WEIGHTED), tuple(_WEIGHTED.values())
