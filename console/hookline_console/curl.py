"""A stored delivery as a curl command: any byte survives the shell, what was struck out is a variable."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hookline.references import STRUCK_OUT
from hookline_console.visible import is_plain

WRITTEN_MOST_BYTES = 60_000
"""A longer body is read from a file: Linux takes no argument of more than 128 KiB."""
_OWN = frozenset({"host", "content-length", "connection", "transfer-encoding", "expect", "keep-alive"})
"""Headers that curl writes itself, for its own connection."""


def as_curl(url: str, headers: Iterable[tuple[str, str]], body: bytes, file: str) -> str:
    """The command, for sh, bash and zsh, in several lines; `file` is what a long body is saved as."""
    sent = [(name, value) for name, value in headers if name.lower() not in _OWN]
    words = [_header(name, value) for name, value in sent]
    if not any(name.lower() == "content-type" for name, _ in sent):
        words.append("-H 'Content-Type:'")  # else curl says that it is a form
    words.insert(0, f"curl {_quoted(url.encode())}")
    if len(body) > WRITTEN_MOST_BYTES:
        return _lines(*words, f"--data-binary @{file}")
    if _is_plain(body):
        return _lines(*words, f"--data-raw {_quoted(body)}")
    return f"printf {_format(body)} |\n" + _lines(*words, "--data-binary @-")


def variable(header: str) -> str:
    """The variable that a struck-out header is filled in by: `X_MISSKEY_HOOK_SECRET`."""
    name = re.sub(r"[^A-Z0-9]", "_", header.upper())
    return name if name[:1].isalpha() else f"_{name}"


def _header(name: str, value: str) -> str:
    if value == STRUCK_OUT:
        return f'-H {_quoted(f"{name}: ".encode())}"${{{variable(name)}:?was struck out; set it}}"'
    raw = _bytes(f"{name}: {value}" if value else f"{name};")  # `;` is how curl is told of an empty value
    return f"-H {_quoted(raw)}" if _is_plain(raw) else f'-H "$(printf {_format(raw)})"'


def _bytes(text: str) -> bytes:
    """A header as it came: a receiver stores its bytes as Latin-1."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # nothing of ours has written it
        return text.encode("utf-8", "backslashreplace")


def _lines(*words: str) -> str:
    return " \\\n  ".join(words)


def _quoted(raw: bytes) -> str:
    return "'" + raw.decode().replace("'", "'\\''") + "'"


def _is_plain(raw: bytes) -> bool:
    """Whether it can be pasted as it is: UTF-8, and nothing that a terminal would hide or obey."""
    try:
        return is_plain(raw.decode().replace("\n", ""))
    except UnicodeDecodeError:
        return False


def _format(raw: bytes) -> str:
    """The bytes as the format of the shell's own `printf`: in octal, where they are no plain text."""
    text = raw.decode("utf-8", "surrogateescape").replace("\\", "\\\\").replace("%", "%%")
    dash = "\\055" if text.startswith("-") else ""  # else it would be an option
    return f"'{dash}{''.join(map(_printed, text[bool(dash) :]))}'"


def _printed(character: str) -> str:
    if character == "\n" or (character != "'" and is_plain(character)):
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))
