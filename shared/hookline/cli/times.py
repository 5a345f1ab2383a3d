"""Moments as a person writes and reads them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import typer

from hookline.errors import HooklineError
from hookline.operations import now_ms

_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_HELP = "as 15m, 2h, 3d ago, or as 2026-05-01T12:00"

Since = Annotated[str | None, typer.Option(help=f"Received since then, {_HELP}.")]
Until = Annotated[str | None, typer.Option(help=f"Received until then, {_HELP}.")]
UntilOrBefore = Annotated[
    str | None, typer.Option("--until", "--before", help=f"Received until then, {_HELP}.")
]


def moment_ms(text: str | None) -> int | None:
    """The moment in ms since 1970: `2h` is two hours ago, a date without a zone is local time."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago:
        return now_ms() - int(ago[1]) * _UNIT_MS[ago[2]]
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise HooklineError(f"{text!r} is not a moment; write it {_HELP}") from None


def local(milliseconds: int) -> str:
    """The moment in this machine's time zone, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(milliseconds: int) -> str:
    """How long that is, in the largest unit of which it is at least two: `90 s`, `3 h`."""
    for unit in ("d", "h", "m"):
        if milliseconds >= 2 * _UNIT_MS[unit]:
            return f"{milliseconds // _UNIT_MS[unit]} {'min' if unit == 'm' else unit}"
    return f"{max(0, milliseconds) // 1000} s"


def ago(milliseconds: int) -> str:
    """How long ago that moment was: `3 h ago`."""
    passed_ms = now_ms() - milliseconds
    return f"{span(passed_ms)} ago" if passed_ms >= _UNIT_MS["s"] else "just now"
