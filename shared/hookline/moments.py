"""A moment as a person writes it: in an option of the command line, or in a form of the console."""

from __future__ import annotations

import re
from datetime import datetime

from hookline.errors import HooklineError
from hookline.operations import now_ms

UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
HOW_TO_WRITE = "as 15m, 2h, 3d ago, or as 2026-05-01T12:00"


def moment_ms(text: str | None) -> int | None:
    """The moment in ms since 1970: `2h` is two hours ago, a date without a zone is local time."""
    if text is None:
        return None
    ago = re.fullmatch(r"(\d+)([smhd])", text)
    if ago:
        return now_ms() - int(ago[1]) * UNIT_MS[ago[2]]
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        raise HooklineError(f"{text!r} is not a moment; write it {HOW_TO_WRITE}") from None
