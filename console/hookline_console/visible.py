"""What others wrote, for a page: escaped, and what hides in it or turns it round is shown as what it is."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# Control characters; those that reverse, join or part what is read without being seen; the invisible letters
# of Hangul; tags; halves of surrogate pairs. The joiners U+200C and U+200D stay: emoji and Persian need them.
_ODD_IN_LINES = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_LINES = re.compile(f"[{_ODD_IN_LINES}]+")
_IN_ONE_LINE = re.compile(f"[\t\n{_ODD_IN_LINES}]+")
_NAMES = {0x00: "NUL", 0x07: "BEL", 0x08: "BS", 0x09: "TAB", 0x0A: "LF", 0x0D: "CR", 0x1B: "ESC", 0x7F: "DEL"}


def visible(value: object) -> Markup:
    """The text in one line: a line feed, too, is shown as a mark. A template calls this as `|visible`."""
    return _marked(str(value), _IN_ONE_LINE)


def dotted(name: object) -> Markup:
    """The same of a name that is better broken at its dots than within its words, where there is no room."""
    return Markup(".<wbr>").join(visible(word) for word in str(name).split("."))


def visible_lines(value: object) -> Markup:
    """The same of a text of several lines, such as a traceback: line feeds and tabs stay."""
    return _marked(str(value).replace("\r\n", "\n"), _IN_LINES)


def is_plain(text: str) -> bool:
    """Whether all of a line can be seen as it is."""
    return _IN_ONE_LINE.search(text) is None


def _marked(text: str, odd: re.Pattern[str]) -> Markup:
    parts: list[str] = []
    end = 0
    for found in odd.finditer(text):
        parts += (escape(text[end : found.start()]), _mark(found[0]))
        end = found.end()
    return Markup("".join([*parts, escape(text[end:])]))  # noqa: S704 (each part is escaped)


def _mark(characters: str) -> str:
    """`[ESC]` for what has a name that is known, `[U+202E]` for the rest; nothing in it can be markup."""
    names = "".join(_name(ord(character)) for character in characters)
    return f'<span class="odd" title="characters that cannot be seen">{names}</span>'


def _name(code: int) -> str:
    return f"[{_NAMES.get(code) or f'U+{code:04X}'}]"
