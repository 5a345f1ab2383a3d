"""A moment as a person writes it: in an option of the command line, or in a form of the console."""

from __future__ import annotations

import re
from datetime import datetime

from hookline.errors import HooklineError
from hookline.operations import now_ms

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
HOW_TO_WRITE = "as 15m, 2h, 3d ago, or as 2026-05-01T12:00"
LATEST_MS = 253_370_764_800_000
"""The year 9999 begins: what is not later can be shown as a date in every time zone."""


def moment_ms(text: str | None) -> int | None:
    """The moment in ms since 1970: `2h` is two hours ago, a date without a zone is local time.

    What is earlier than that, or later than a date can be, is the first or the last moment that there is.
    """
    if text is None:
        return None
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    try:
        at_ms = (
            now_ms() - int(ago[1]) * UNIT_MS[ago[2]]
            if ago
            else round(datetime.fromisoformat(text).timestamp() * 1000)
        )
        return min(max(at_ms, 0), LATEST_MS)
    except ValueError:
        raise HooklineError(f"{text!r} is not a moment; write it {HOW_TO_WRITE}") from None
