"""A run of generated cases: each is made of a seed and its number, tried, and told of if it went wrong."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

MOST_TOLD = 5
WARM_UP_CASES = 1000
_SHOWN_BYTES = 4000


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that went wrong, and everything that is needed to see it again."""

    area: str
    seed: int
    index: int
    kind: str
    what: str
    raw: bytes

    def told(self) -> str:
        """For a person: what went wrong, how to repeat it, and the bytes."""
        more = f" … and {len(self.raw) - _SHOWN_BYTES} bytes more" if len(self.raw) > _SHOWN_BYTES else ""
        return (
            f"{self.what}\n"
            f"  again: python -m chaos.bad_input --seed {self.seed} --area {self.area} --index {self.index}\n"
            f"  bytes: {self.raw[:_SHOWN_BYTES]!r}{more}"
        )


@dataclass(slots=True)
class Tally:
    """How a run of cases went. `wrong` counts by kind; only the first few of each are kept whole."""

    cases: int = 0
    wrong: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    longest_seconds: float = 0.0
    longest_index: int = -1
    growth_bytes: int = 0
    """By how much the memory in use grew, over all but the first cases."""
    peak_bytes: int = 0
    """By how much more than at first was in use at the worst moment."""

    def fail(self, failure: Failure) -> None:
        """Count a case that went wrong."""
        self.wrong[failure.kind] = self.wrong.get(failure.kind, 0) + 1
        if self.wrong[failure.kind] <= MOST_TOLD:
            self.failures.append(failure)

    def add(self, other: Tally) -> None:
        """Take in what another process counted."""
        self.cases += other.cases
        for kind, count in other.wrong.items():
            self.wrong[kind] = self.wrong.get(kind, 0) + count
        self.failures += other.failures
        if other.longest_seconds > self.longest_seconds:
            self.longest_seconds, self.longest_index = other.longest_seconds, other.longest_index
        self.growth_bytes = max(self.growth_bytes, other.growth_bytes)
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


def case_random(area: str, seed: int, index: int) -> Random:
    """What makes this case, and no other."""
    return Random(f"{area}:{seed}:{index}")  # noqa: S311 (to be repeated, not to be secret)


Try = Callable[[Random], tuple[bytes, str, str]]
"""Makes and tries a case: its bytes, and the kind and the words for what is wrong, both "" if nothing is."""


def run_cases(area: str, seed: int, indexes: Iterable[int], attempt: Try) -> Tally:
    """Try these cases; time is the CPU's, so that a busy machine is not held against the code."""
    tally = Tally()
    resident = resident_bytes("self")
    for index in indexes:
        rng = case_random(area, seed, index)
        started = time.thread_time()
        raw, kind, what = attempt(rng)
        took = time.thread_time() - started
        if took > tally.longest_seconds:
            tally.longest_seconds, tally.longest_index = took, index
        if kind:
            tally.fail(Failure(area, seed, index, kind, what, raw))
        tally.cases += 1
        if tally.cases == WARM_UP_CASES:  # what is loaded and cached by now stays
            resident = resident_bytes("self")
    tally.growth_bytes = max(0, resident_bytes("self") - resident)
    tally.peak_bytes = max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - resident)
    return tally


def resident_bytes(pid: int | str) -> int:
    """How much memory a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024
