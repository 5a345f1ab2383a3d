"""Moments on the command line: the options that take one, and how one is shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from hookline.moments import HOW_TO_WRITE, UNIT_MS
from hookline.operations import now_ms

Since = Annotated[str | None, typer.Option(help=f"Received since then, {HOW_TO_WRITE}.")]
Until = Annotated[str | None, typer.Option(help=f"Received until then, {HOW_TO_WRITE}.")]
UntilOrBefore = Annotated[
    str | None, typer.Option("--until", "--before", help=f"Received until then, {HOW_TO_WRITE}.")
]


def local(milliseconds: int) -> str:
    """The moment in this machine's time zone, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(milliseconds: int) -> str:
    """How long that is, in the largest unit of which it is at least two: `90 s`, `3 h`."""
    for unit in ("d", "h", "m"):
        if milliseconds >= 2 * UNIT_MS[unit]:
            return f"{milliseconds // UNIT_MS[unit]} {'min' if unit == 'm' else unit}"
    return f"{max(0, milliseconds) // 1000} s"


def ago(milliseconds: int) -> str:
    """How long ago that moment was: `3 h ago`."""
    passed_ms = now_ms() - milliseconds
    return f"{span(passed_ms)} ago" if passed_ms >= UNIT_MS["s"] else "just now"
