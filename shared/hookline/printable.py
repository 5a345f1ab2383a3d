"""Text for a terminal: what a sender wrote must not move its cursor, change its colours or forge a line."""

from __future__ import annotations

import json
import re
from typing import Any

_DELETE = 0x2421
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | dict.fromkeys(
    # delete; the second set of control characters, in which 9B begins what ESC [ begins in the first;
    # two that end lines, and those that reverse what is read
    [*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    _DELETE,
)
"""Each to its picture: ␛ for an escape, ␊ for a line feed, ␡ for a delete and for what has no picture."""
_PICTURES_BUT_LAYOUT = {code: picture for code, picture in _PICTURES.items() if chr(code) not in "\n\t"}
_UNESCAPED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """The text with a picture in place of every control character, line feeds among them."""
    return text.translate(_PICTURES)


def lines(text: str) -> str:
    """The same of a text of several lines, such as a traceback: line feeds and tabs stay."""
    return text.translate(_PICTURES_BUT_LAYOUT)


def json_line(value: Any) -> str:
    """The value as JSON in one line, non-ASCII text as it is."""
    return escaped(json.dumps(value, ensure_ascii=False))


def escaped(text: str) -> str:
    """A JSON text in which those control characters are escaped, too, that JSON itself lets pass."""
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
