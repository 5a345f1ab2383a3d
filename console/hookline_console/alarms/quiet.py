"""Quiet times: hours of the day, by the local clock, in which nobody is told what can wait."""

from __future__ import annotations

from datetime import datetime, time


def is_quiet(window: str | None, moment: datetime) -> bool:
    """Whether this local moment is within `window`, as `22:00-07:00`; None, or one of no length, never is."""
    if window is None:
        return False
    begin, end = (time.fromisoformat(each) for each in window.split("-"))
    now = moment.time()
    return begin <= now < end if begin <= end else now >= begin or now < end
