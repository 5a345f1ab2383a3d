"""Little charts: bars drawn here as SVG, with words and a table for whoever does not see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 600, 96
ROWS = 12
GAP = 0.25
"""How much of a bar's place stays empty."""
_MINUTE_MS = 60_000
_NICE = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Series:
    """What one colour stands for."""

    name: str
    style: str
    """A class of the style sheet's."""
    values: Sequence[float]
    """The oldest first."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars one beside the other, of the same length in time, up to now."""

    key: str
    """Its name within the page."""
    title: str
    series: Sequence[Series]
    minutes: int
    """What a bar stands for; its values are means of one minute."""
    ends_at_ms: int

    @property
    def top(self) -> float:
        """The value at the upper edge."""
        return ceiling(self._totals())

    @property
    def span_hours(self) -> int:
        """How far back it goes."""
        return len(self._totals()) * self.minutes // 60

    @property
    def drawing(self) -> Markup:
        """What is inside of the SVG element."""
        return _stacked(self.series, self.top)

    @property
    def words(self) -> str:
        """What one sees, told."""
        most = max(self._totals(), default=0)
        told = ", ".join(f"{each.name} {round(sum(each.values) * self.minutes):,}" for each in self.series)
        return f"In all {told}; at most {most:,.4g} a minute"

    @property
    def rows(self) -> list[tuple[int, list[int]]]:
        """The same as a table of at most 12 rows: since when, and how many there were of each series."""
        bars = len(self._totals())
        size = max(1, bars // ROWS)
        begins_at_ms = self.ends_at_ms - bars * self.minutes * _MINUTE_MS
        return [
            (
                begins_at_ms + start * self.minutes * _MINUTE_MS,
                [round(sum(each.values[start : start + size]) * self.minutes) for each in self.series],
            )
            for start in range(0, bars, size)
        ]

    def _totals(self) -> list[float]:
        return [sum(values) for values in zip(*(each.values for each in self.series), strict=True)]


def means(values: Sequence[int], size: int) -> list[float]:
    """The means of so many values each; the last one ends with the last value."""
    first = len(values) % size
    starts = range(first, len(values), size)
    return [sum(values[start : start + size]) / size for start in starts]


def ceiling(values: Sequence[float]) -> float:
    """A round number that no value is above."""
    most, scale = max(values, default=0.0), 1.0
    while scale * _NICE[-1] < most:
        scale *= 10
    return next(step * scale for step in _NICE if step * scale >= most)


def _stacked(series: Sequence[Series], top: float) -> Markup:
    """One bar for each period, the first series at the bottom. It is stretched to whatever width there is."""
    heights = [0.0] * max((len(each.values) for each in series), default=0)
    paths = []
    for each in series:
        place = WIDTH / max(1, len(each.values))
        drawn = []
        for index, value in enumerate(each.values):
            if value:
                below, heights[index] = heights[index], heights[index] + value
                drawn.append(_bar(index * place, place, below / top, heights[index] / top))
        paths.append(Markup('<path class="{}" d="{}"/>').format(each.style, "".join(drawn)))
    return Markup("").join(paths)


def _bar(left: float, place: float, bottom: float, top: float) -> str:
    width = place * (1 - GAP)
    height = max(1.0, (top - bottom) * HEIGHT)
    return f"M{left:.1f} {HEIGHT - bottom * HEIGHT:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z"


def bars(values: Sequence[int]) -> Markup:
    """The drawing of one series without anything around it."""
    return _stacked([Series("", "in", values)], ceiling(values))
