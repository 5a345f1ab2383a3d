"""A delivery's body for a page: JSON indented, text as it is, stray bytes as `\\xNN`, and never too long."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from hookline_console.json_html import is_json, json_html
from hookline_console.visible import visible_lines

SHOWN_CHARACTERS = 60_000
READ_MOST_BYTES = 1024 * 1024
"""A larger body is shown as text, and not read: a page must not take long."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it is shown."""

    kind: Literal["JSON", "text", "bytes"]
    size_bytes: int
    html: Markup
    is_cut: bool
    """Whether there is more of it than is shown."""


def body_of(raw: bytes) -> Body:
    """The body, JSON pretty-printed."""
    text = _text(raw)
    if text is not None and len(raw) <= READ_MOST_BYTES and is_json(text):
        html, is_cut = json_html(text, SHOWN_CHARACTERS)
        return Body("JSON", len(raw), html, is_cut)
    return raw_body(raw)


def raw_body(raw: bytes) -> Body:
    """The body as it came, character for character."""
    text = _text(raw)
    shown = raw.decode("utf-8", "backslashreplace") if text is None else text
    html = visible_lines(shown[:SHOWN_CHARACTERS])
    return Body("bytes" if text is None else "text", len(raw), html, len(shown) > SHOWN_CHARACTERS)


def _text(raw: bytes) -> str | None:
    """The body as text, without a byte order mark; None where it is none."""
    try:
        return raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        return None
