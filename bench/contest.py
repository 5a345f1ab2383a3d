"""Contestants are measured in turn, A B C A B C: a machine that gets slower does it to all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Sample = dict[str, float]
"""One measurement of one contestant: figures by name, the unit in the name."""

Samples = dict[str, list[Sample]]
"""Every sample by contestant, in the order of the rounds."""


class NotMeasuredError(Exception):
    """Raised by a contestant that cannot be measured here; the message is the reason, for the reader."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table for a person: every cell ready to be read."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    """What one must know to read it, in a sentence or two."""


@dataclass(slots=True)
class Findings:
    """What a row of the bench found."""

    row: str
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    """The figures that targets are set for, by the names in `targets.py`; others are welcome."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """For a figure, its least and largest value, over the rounds or over the mixes."""
    samples: dict[str, Samples] = field(default_factory=dict)
    """Every sample, by contest and contestant, for the machine-readable results."""
    missing: dict[str, str] = field(default_factory=dict)
    """Why a contestant, or a figure, was not measured."""

    def compare(self, samples: Samples, figure: str, ours: str, theirs: str, what: str) -> None:
        """Our median of `what` over theirs, with its range over the rounds; or why there is none."""
        absent = [name for name in (theirs, ours) if not samples.get(name)]
        if absent:
            self.missing[figure] = self.missing.get(absent[0], "it was left out")
            return
        self.figures[figure] = ratio(samples[ours], samples[theirs], what)
        pairs = zip(samples[ours], samples[theirs], strict=True)
        ratios = [our[what] / their[what] for our, their in pairs]
        self.ranges[figure] = (min(ratios), max(ratios))


def in_turn(
    contestants: Mapping[str, Callable[[], Sample]],
    rounds: int,
    *,
    missing: dict[str, str],
    tell: Callable[[int, str, Sample], None] = lambda round_number, name, sample: None,
) -> Samples:
    """Measure each contestant once a round, in their order.

    One that raises NotMeasuredError is left out from then on, and its samples with it: half a contestant
    compares with nothing. The reason goes into `missing`.
    """
    samples: Samples = {name: [] for name in contestants}
    for round_number in range(1, rounds + 1):
        for name in [each for each in contestants if each in samples]:
            try:
                sample = contestants[name]()
            except NotMeasuredError as error:
                missing[name] = str(error)
                del samples[name]
            else:
                samples[name].append(sample)
                tell(round_number, name, sample)
    return samples


def median(samples: Iterable[Sample], figure: str) -> float:
    """The median of one figure."""
    return statistics.median(sample[figure] for sample in samples)


def spread(samples: Iterable[Sample], figure: str) -> tuple[float, float]:
    """The least and the largest of one figure."""
    values = [sample[figure] for sample in samples]
    return min(values), max(values)


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample], figure: str) -> float:
    """Our median over theirs."""
    return median(ours, figure) / median(theirs, figure)
