"""What is to be reached, and the verdict on what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table of targets. `least` must be reached; `dreamt` is what one would be proud of."""

    figure: str
    row: str
    """The row of the bench that measures it."""
    what: str
    least: float
    dreamt: float
    unit: str = "×"
    is_at_most: bool = False
    """Less is better: `least` is then the most that it may be."""


TARGETS = (
    Target(
        "ingest.cpu_ratio_bare",
        "ingest",
        "ingest, CPU per event against the bare handler",
        1.5,
        1.25,
        is_at_most=True,
    ),
    Target(
        "ingest.rate_ratio_bullmq",
        "ingest",
        "ingest, accepted/s against Fastify + BullMQ, one process each",
        1.5,
        2.5,
    ),
    Target(
        "ingest.rate_ratio_enqueue", "ingest", "ingest, accepted/s against aiohttp + `Queue.enqueue`", 6, 10
    ),
    Target("ingest.always_ratio", "ingest", "ingest, `appendfsync always` against `everysec`", 0.85, 0.95),
    Target("drain.fork_ratio_rq", "drain", "drain, forking, against stock `rq worker`", 30, 60),
    Target("drain.nofork_ratio_bullmq50", "drain", "drain, no fork, against BullMQ at concurrency 50", 1, 2),
    Target("slow.ratio_rq", "slow", "slow actions against stock RQ", 14, 60),
    Target("latency.p50_ms", "latency", "idle latency, p50", 15, 8, "ms", is_at_most=True),
    Target("latency.p99_ms", "latency", "idle latency, p99", 40, 20, "ms", is_at_most=True),
    Target(
        "memory.overhead_bytes",
        "growth",
        "Redis memory per waiting event over its raw bytes",
        600,
        300,
        "B",
        is_at_most=True,
    ),
    Target(
        "growth.cpu_ratio",
        "growth",
        "CPU per event at the most stored against 1 thousand",
        1.1,
        1.02,
        is_at_most=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a target. `value` is None when it was not measured."""

    target: Target
    value: float | None
    range: tuple[float, float] | None
    words: str


def verdicts(
    figures: Mapping[str, float],
    ranges: Mapping[str, tuple[float, float]],
    reasons: Mapping[str, str],
) -> list[Verdict]:
    """A verdict on every target; `reasons` says, by figure or by row, why one was not measured."""
    found = []
    for target in TARGETS:
        value = figures.get(target.figure)
        if value is None:
            reason = reasons.get(target.figure) or reasons.get(target.row) or "its row was not run"
            words = f"not measured: {reason}"
        else:
            words = judge(target, value)
        found.append(Verdict(target, value, ranges.get(target.figure), words))
    return found


def judge(target: Target, value: float) -> str:
    """`dreamt of`, `met`, or `short by` the part of the target that is missing."""
    if _reaches(target, value, target.dreamt):
        return "dreamt of"
    if _reaches(target, value, target.least):
        return "met"
    missing = value / target.least - 1 if target.is_at_most else 1 - value / target.least
    percent = missing * 100
    return f"short by {percent:.0f} %" if percent >= 10 else f"short by {percent:.2g} %"


def _reaches(target: Target, value: float, wanted: float) -> bool:
    return value <= wanted if target.is_at_most else value >= wanted
