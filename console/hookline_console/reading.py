"""What the overview and the sources' pages show: the figures of now, and the last day minute by minute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hookline.figures import Figures, Minute, read_figures, read_minutes, read_secret_ages
from hookline.store import Store
from hookline_console.backend import Backend

HOUR = 60
DAY = 24 * HOUR
"""In minutes."""
SETTLED = 2
"""So many minutes back receivers still bring what they have counted; further back only after an outage."""
WHOLE_SECONDS = 60.0
"""How often the whole day is read again."""
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything as it was at one moment."""

    figures: Figures
    day: list[Minute]
    """The oldest first; the last one is not over."""
    secrets: dict[str, int]
    """Since when each source has the secrets that it has, as far as a receiver has noted it."""

    def counted(self, *names: str, minutes: int = HOUR) -> int:
        """How often these were counted within the last minutes."""
        return sum(minute.counts.get(name, 0) for minute in self.day[-minutes:] for name in names)

    def per_minute(
        self, kinds: Iterable[str], *, source: str | None = None, minutes: int = HOUR
    ) -> list[int]:
        """How often these kinds were counted in each of the last minutes, for one source or for all."""
        prefixes = tuple(f"{kind}:" for kind in kinds)
        names = {f"{prefix}{source}" for prefix in prefixes}
        return [
            sum(
                count
                for name, count in minute.counts.items()
                if (name in names if source is not None else name.startswith(prefixes))
            )
            for minute in self.day[-minutes:]
        ]

    def rejected(self, source: str, minutes: int = HOUR) -> dict[str, int]:
        """How many of a source's deliveries were refused within the last minutes, by reason."""
        found: dict[str, int] = {}
        for minute in self.day[-minutes:]:
            for name, count in minute.counts.items():
                what, _, rest = name.partition(":")
                reason, _, of = rest.partition(":")
                if what == "rejected" and of == source:
                    found[reason] = found.get(reason, 0) + count
        return found


class Reader:
    """Reads it. Of the day mostly those minutes that may have changed."""

    def __init__(self, backend: Backend, *, whole_seconds: float = WHOLE_SECONDS) -> None:
        self._backend, self._whole_ms = backend, whole_seconds * 1000
        self._day: list[Minute] = []
        self._whole_at_ms = 0

    async def read(self) -> Reading:
        """As it is now."""
        return await self._backend.ask(self._read)

    def _read(self, store: Store) -> Reading:
        figures = read_figures(store)
        is_whole = not 0 <= figures.at_ms - self._whole_at_ms < self._whole_ms
        wanted = DAY if is_whole else self._unsettled(figures.at_ms)
        latest = read_minutes(store, wanted, figures.at_ms)
        before = [minute for minute in self._day if minute.at_ms < latest[0].at_ms]
        self._day = [*before, *latest][-DAY:]
        if is_whole:
            self._whole_at_ms = figures.at_ms
        return Reading(figures, self._day, read_secret_ages(store))

    def _unsettled(self, at_ms: int) -> int:
        """How many minutes up to now may have changed since the last reading."""
        return min(DAY, at_ms // _MINUTE_MS - self._day[-1].at_ms // _MINUTE_MS + 1 + SETTLED)
