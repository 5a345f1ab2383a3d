"""Damage to bytes and to JSON, made of nothing but the random generator that is given: a seed repeats it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

MORSELS = (
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b": ",
        b" ",
        b"\t",
        b"\x0b",
        b"\x7f",
        b"\x80",
    ),
    *(
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe9",
        "日本".encode(),
        b"\x1b[31m",
        b"\x9b31m",
        b"%00",
    ),
    *(
        b"../",
        b"sha256=",
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"\\ud800",
        b"NaN",
        b"1e999",
        b"-",
        b"0",
        b",",
    ),
)
"""Bytes that parsers of one kind or another have stumbled over."""

_DEEP = [b"[" * depth + b"]" * depth for depth in (150, 210, 5000)]
_DEEPER = [b'{"note":' * depth + b"1" + b"}" * depth for depth in (150, 210, 5000)]
TOKENS = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"-0.0", b"01", b"1.", b".5"),
    *(b"9007199254740993", b"18446744073709551616", b"9" * 400, b"9" * 4301, b"-" + b"9" * 20_000, b"1e308"),
    *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\u001b[31m"', b'"\\u009b31m"', b'"\\x"', b'"\\'),
    *(b'"\xff"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\x00"', b'"\n"', b'"unended', b"tru", b"'x'", b"/**/1"),
    *(
        b"null",
        b"true",
        b"false",
        b"{}",
        b"[]",
        b'""',
        b'{"a":1,"a":2}',
        b'{"":0}',
        b'{"\\ud800":0}',
        b"[null]",
    ),
    *(
        b'"' + b"x" * 5000 + b'"',
        '"‮é日本\U0001f600"'.encode(),
        b'"https://x/posts/1#comment-7"',
        b'"2026-99-99"',
    ),
    *_DEEP,
    *_DEEPER,
)
"""JSON values, and what is none, as they would stand in a text."""

_MARK = re.compile(rb'"@([0-9]+)@"')
_KEYS = (
    "id",
    "type",
    "kind",
    "body",
    "note",
    "user",
    "post",
    "renote",
    "reply",
    "emojis",
    "createdAt",
    "",
    "\x1b[1m",
)
_GO_DEEPER = 0.8


def damaged(rng: Random, raw: bytes, most: int = 4) -> bytes:
    """These bytes with one to `most` changes: cut, doubled, swapped, flipped, or something put in."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, most)):
        rng.choice(_CHANGES)(rng, changed)
    return bytes(changed)


def changed_json(rng: Random, payload: Any) -> bytes:
    """The text of this payload with one to three of its places changed; the payload itself is used up."""
    for _ in range(rng.randint(1, 3)):
        _change_a_place(rng, payload)
    return _text(payload, ascii_only=rng.random() < 0.3)


def invented_json(rng: Random, depth: int = 4) -> bytes:
    """A JSON text, or nearly one, made up from nothing."""
    choice = rng.random()
    if depth == 0 or choice < 0.4:
        return rng.choice(TOKENS)
    parts = (invented_json(rng, depth - 1) for _ in range(rng.randrange(4)))
    if choice < 0.6:
        return b"[" + b",".join(parts) + b"]"
    return b"{" + b",".join(json.dumps(rng.choice(_KEYS)).encode() + b":" + part for part in parts) + b"}"


def _change_a_place(rng: Random, payload: Any) -> None:
    above = payload
    while isinstance(above, dict | list) and above:
        key = rng.choice(list(above)) if isinstance(above, dict) else rng.randrange(len(above))
        below = above[key]
        if isinstance(below, dict | list) and below and rng.random() < _GO_DEEPER:
            above = below
            continue
        what = rng.randrange(5)
        if what == 0:
            del above[key]
        elif what == 1 and isinstance(above, dict):
            above[rng.choice(_KEYS)] = above.pop(key)
        elif what == 2:
            above[key] = [below] * rng.randrange(3)
        elif what == 3 and isinstance(below, str):
            above[key] = damaged(rng, below.encode(), 2).decode("utf-8", "replace")
        else:
            above[key] = f"@{rng.randrange(len(TOKENS))}@"
        return


def _text(payload: Any, *, ascii_only: bool) -> bytes:
    text = json.dumps(payload, ensure_ascii=ascii_only, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    return _MARK.sub(lambda mark: TOKENS[int(mark[1]) % len(TOKENS)], text)


def _cut(rng: Random, raw: bytearray) -> None:
    start = rng.randrange(len(raw) + 1)
    del raw[start : start + rng.choice((1, 2, 8, 64))]


def _cut_the_end(rng: Random, raw: bytearray) -> None:
    del raw[rng.randrange(len(raw) + 1) :]


def _double(rng: Random, raw: bytearray) -> None:
    start = rng.randrange(len(raw) + 1)
    end = start + rng.choice((1, 2, 8, 64))
    raw[start:start] = raw[start:end]


def _put_in(rng: Random, raw: bytearray) -> None:
    start = rng.randrange(len(raw) + 1)
    raw[start:start] = rng.choice(MORSELS)


def _put_over(rng: Random, raw: bytearray) -> None:
    morsel = rng.choice(MORSELS)
    start = rng.randrange(len(raw) + 1)
    raw[start : start + len(morsel)] = morsel


def _flip(rng: Random, raw: bytearray) -> None:
    if raw:
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)


def _swap(rng: Random, raw: bytearray) -> None:
    middle, width = rng.randrange(len(raw) + 1), rng.choice((1, 4, 16))
    left, right = raw[max(0, middle - width) : middle], raw[middle : middle + width]
    raw[max(0, middle - width) : middle + width] = right + left


_CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    *(_cut, _cut_the_end, _double, _put_in, _put_over, _put_over, _flip, _flip, _swap),
)
