"""How long after a fault's end the work that had been taken on before was still waiting for somebody."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from chaos.deliveries import wanted
from chaos.records import Answer, Execution, Kill

DRAINED_PER_SECOND = 100.0
"""How fast a backlog may at least be expected to go: what a backlog's own time is reckoned by."""

Begins = Mapping[tuple[str, str], Sequence[Execution]]
"""The executions by event and action, in the order of their beginning."""


def by_run(executions: Iterable[Execution]) -> Begins:
    """The executions of each run."""
    found: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for execution in executions:
        found[execution.event_id, execution.action].append(execution)
    return found


def waiting(moment: float, answers: Iterable[Answer], runs: Begins, kills: Sequence[Kill]) -> list[float]:
    """When each run began that at this moment had been accepted and was in nobody's hands; infinite: never.

    A run waits from its acceptance until it first begins, and from the death of a process that had it until
    it begins again. Its planned retries and its own length are no waiting.
    """
    died = {kill.pid: kill.at for kill in kills if kill.at <= moment}
    found = []
    for event_id, kind in {(a.event_id, a.kind) for a in answers if a.is_accepted and a.ended <= moment}:
        for action in wanted(kind):
            found += _begins(runs.get((event_id, action), ()), moment, died)
    return found


def seconds_to_empty(moment: float, begins: Sequence[float]) -> float:
    """From the moment to the last of these."""
    return max((at - moment for at in begins), default=0.0)


def own_seconds(begins: Sequence[float]) -> float:
    """How long a backlog of this size takes by itself."""
    return len(begins) / DRAINED_PER_SECOND


def _begins(executions: Sequence[Execution], moment: float, died: Mapping[int, float]) -> list[float]:
    if not executions:
        return [math.inf]
    found = [executions[0].began] if executions[0].began > moment else []
    for number, execution in enumerate(executions):
        killed_at = died.get(execution.pid)
        was_cut = execution.ended is None and killed_at is not None and execution.began <= killed_at
        if was_cut and execution.action != "poison":
            again = executions[number + 1].began if number + 1 < len(executions) else math.inf
            found += [again] if again > moment else []
    return found
