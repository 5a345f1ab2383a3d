"""JSON indented and coloured, every token as it was sent: numbers, escapes and doubled keys stay the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from markupsafe import Markup

from hookline_console.visible import visible

INDENT = "  "
_TOKEN = re.compile(
    r'[\s]*(?:(?P<key>"[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:|(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")'
    r"|(?P<open>[{\[])|(?P<close>[}\]])|(?P<comma>,)|(?P<plain>[^\s,\]}\[{\"]+))",
    re.DOTALL,
)


def is_json(text: str) -> bool:
    """Whether this is JSON, nested no deeper than Python itself can read."""
    try:
        json.loads(text, parse_int=str, parse_float=str)  # as text: a number may have a million digits
    except (ValueError, RecursionError):
        return False
    return True


def json_html(text: str, most_characters: int) -> tuple[Markup, bool]:
    """A JSON text as a person reads it, and whether it was cut after so many characters of it."""
    parts: list[str] = []
    left = most_characters
    for css, piece in _pieces(text):
        shown = visible(piece[:left]) if css else piece
        parts.append(f'<span class="{css}">{shown}</span>' if css else shown)
        left -= len(piece)
        if left <= 0:
            return Markup("".join(parts)), True  # noqa: S704 (tokens are escaped, the rest is punctuation)
    return Markup("".join(parts)), False  # noqa: S704


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What is written, one after another: a class and a token, or no class and punctuation or an indent."""
    depth, begins = 0, False
    for token in _TOKEN.finditer(text):
        kind, value = token.lastgroup or "", token[token.lastgroup or 0]
        if kind == "close":
            depth -= 1
            yield "", value if begins else f"\n{INDENT * depth}{value}"
            begins = False
            continue
        if begins:
            yield "", f"\n{INDENT * depth}"
        begins = kind == "open"
        if kind == "comma":
            yield "", f",\n{INDENT * depth}"
        elif kind == "open":
            yield "", value
            depth += 1
        elif kind == "key":
            yield "json-key", value
            yield "", ": "
        else:
            yield _class(kind, value), value


def _class(kind: str, value: str) -> str:
    if kind == "string":
        return "json-string"
    return "json-word" if value[0] in "tfnNI" else "json-number"
