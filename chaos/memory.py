"""Whether a process's memory is flat: by the slope that most pairs of samples agree on."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

MEBIBYTE = 2**20
WARM_UP = 1 / 3
"""The first part of a soak isn't judged: caches fill, and pages that were shared are copied."""
MOST_BYTES = 3 * MEBIBYTE
MOST_SHARE = 0.05
_MOST_SAMPLES = 300

Sample = tuple[float, int]
"""Seconds, and bytes of resident memory."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What became of one process's memory over the part of the soak that is judged."""

    median_bytes: float
    grown_bytes: float
    """The Theil-Sen slope (the median of the slopes between all pairs of samples) times the duration."""
    seconds: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by less than 3 MiB, or by less than a twentieth."""
        return self.grown_bytes < max(MOST_BYTES, MOST_SHARE * self.median_bytes)


def growth(samples: Sequence[Sample]) -> Growth | None:
    """How much it grew; None where there are too few samples to say."""
    if len(samples) < 2:
        return None
    start, end = samples[0][0], samples[-1][0]
    judged = [sample for sample in samples if sample[0] >= start + WARM_UP * (end - start)]
    judged = judged[:: max(1, len(judged) // _MOST_SAMPLES)]
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(judged, 2) if b[0] > a[0]]
    if not slopes:
        return None
    seconds = judged[-1][0] - judged[0][0]
    median = statistics.median(size for _, size in judged)
    return Growth(median, statistics.median(slopes) * seconds, seconds)


def growths(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Growth]:
    """The growth of each process that there are samples of."""
    found = {name: growth(taken) for name, taken in samples.items()}
    return {name: grown for name, grown in found.items() if grown is not None}


class MemoryLog:
    """Samples by process. Of a worker's children, which come and go, the largest counts."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = defaultdict(list)

    def note(self, at: float, sizes: Mapping[str, int]) -> None:
        """Take these sizes in, by process, leaving out what is already gone."""
        for name, size in sizes.items():
            if size:
                self.samples[name].append((at, size))
