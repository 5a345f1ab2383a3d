"""Secrets are given by reference, `env:NAME` or `file:/path`; once read, they are struck out of any text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from urllib.parse import quote

from hookline.errors import SettingsError

STRUCK_OUT = "***"
SHORTEST_STRUCK_OUT = 4
"""Shorter values are part of too many innocent words; `hookline check` tells of secrets that short."""

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+")


def checked_reference(reference: str) -> str:
    """The reference itself, when it is `env:NAME` or `file:/path`; else ValueError without it."""
    if not _REFERENCE.fullmatch(reference):
        raise ValueError(
            "a secret is given by reference, env:NAME or file:/path, so that it stays out of the settings; "
            f"this one of {len(reference)} characters is neither"
        )
    return reference


def resolve_secret(reference: str) -> bytes:
    """What `env:NAME` or `file:/path` points to, outer white space stripped.

    Raises SettingsError that names the reference when it is malformed, missing or empty; never its value.
    """
    try:
        scheme, _, place = checked_reference(reference).partition(":")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    value = _environment_variable(place) if scheme == "env" else _file(place)
    if not value:
        raise SettingsError(f"secret {reference!r} is empty, and an empty secret is no secret")
    keep_secret(value)
    return value


def keep_secret(value: str | bytes) -> None:
    """From now on `strike_out` replaces this value, however it is written. `resolve_secret` calls this."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    if len(text) >= SHORTEST_STRUCK_OUT:
        _kept.add(text)


def strike_out(text: str) -> str:
    """The text with every kept secret replaced by `***`: as it is, and as JSON, repr or a URL writes it."""
    return _kept.pattern.sub(STRUCK_OUT, text) if _kept.pattern else text


class _Kept:
    """The secrets read by this process, as one pattern; longer ones first, since one may contain another."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, text: str) -> None:
        spellings = {text, repr(text)[1:-1], repr(text.encode())[2:-1], quote(text), quote(text, safe="")}
        spellings |= {json.dumps(each)[1:-1] for each in spellings}
        spellings |= {json.dumps(each, ensure_ascii=False)[1:-1] for each in spellings}
        if spellings <= self._spellings:
            return
        self._spellings |= spellings
        longest_first = sorted(self._spellings, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)))


_kept = _Kept()


def _environment_variable(name: str) -> bytes:
    value = os.environ.get(name)
    if value is None:
        raise SettingsError(f"secret 'env:{name}': the environment variable {name} is not set")
    return os.fsencode(value).strip()


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"secret 'file:{path}': {error.strerror}") from error
