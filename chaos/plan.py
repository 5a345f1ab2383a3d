"""What is to be done in a campaign: how many events, how fast, which faults in which order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.faults import FaultKind
from chaos.senders import TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """One campaign's plan; the same seed plans the same."""

    seed: int
    events: int
    rate_per_second: float
    is_quick: bool
    only: Sequence[str] = ()
    gap_seconds: tuple[float, float] = (2.0, 6.0)
    """The pause after a fault, drawn between these, before anything else happens."""
    settle_seconds: float = 20.0
    """How much longer the next fault waits for the backlog of the last one to be gone."""
    warm_up_seconds: float = 3.0
    last_seconds: float = 15.0
    """For so long before the end of the load no fault begins."""
    answer_seconds: float = TIMEOUT_SECONDS
    """How long a sender waits for an answer."""

    @property
    def seconds(self) -> float:
        """How long the load lasts."""
        return self.events / self.rate_per_second

    @property
    def most_seconds(self) -> float:
        """How long all of it may take before something is taken to hang."""
        return self.seconds + 420.0

    def kinds(self, usable: Sequence[FaultKind]) -> Iterator[FaultKind]:
        """These faults in a random order, each once before any is there a second time; without end."""
        order = random.Random(f"{self.seed}:faults")  # noqa: S311 (an order)
        chosen = list(usable)
        while chosen:
            order.shuffle(chosen)
            yield from chosen


def make_plan(*, seed: int, events: int | None, is_quick: bool, only: Sequence[str]) -> Plan:
    """The plan for what was asked for."""
    if is_quick:
        return Plan(
            seed,
            events or 800,
            10.0,
            is_quick=True,
            only=only,
            gap_seconds=(0.5, 2.0),
            settle_seconds=16.0,
            last_seconds=3.0,
        )
    return Plan(seed, events or (1500 if only else 20_000), 25.0, is_quick=False, only=only)


def failover_plan(*, seed: int, is_quick: bool) -> Plan:
    """The plan of the campaign on a Sentinel set."""
    if is_quick:
        return Plan(seed, 250, 10.0, is_quick=True, gap_seconds=(0.5, 1.5), last_seconds=8.0)
    return Plan(seed, 2_000, 15.0, is_quick=False)
