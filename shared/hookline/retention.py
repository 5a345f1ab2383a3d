"""How long a source's finished events are kept: by age, and by number."""

from __future__ import annotations

from typing import Literal, NamedTuple

from hookline.settings import Settings

DAY_MS = 24 * 3600 * 1000


class Kept(NamedTuple):
    """What is kept of a source's events that finished in one state."""

    milliseconds: int
    """After they finished."""
    most: int | None
    """Only the latest so many; None: all."""


def kept(settings: Settings, source: str, state: Literal["done", "dead"]) -> Kept:
    """What the settings say of this source; one that is configured no longer is kept as others are."""
    own, rest = settings.sources.get(source), settings.retention
    days, most = getattr(own, f"{state}_days", None), getattr(own, f"max_{state}", None)
    return Kept(
        round((getattr(rest, f"{state}_days") if days is None else days) * DAY_MS),
        getattr(rest, f"max_{state}") if most is None else most,
    )
