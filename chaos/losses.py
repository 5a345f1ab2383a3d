"""What was promised and not kept, and what was answered that should not have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.backlog import by_run
from chaos.deliveries import wanted
from chaos.records import Answer, Fault, Records

AFTERWARDS_SECONDS = 1.5
"""How long after its end a fault may still be why there was no answer."""
DEATH = "process died: signal 11"


def find_losses(records: Records) -> list[str]:
    """Accepted deliveries that were not acted on in full, or of which the ledger says something else."""
    runs = by_run(records.executions)
    found = []
    for event_id, kind in sorted({(answer.event_id, answer.kind) for answer in records.accepted()}):
        found += [
            f"{event_id} ({kind}) was accepted, and {action} never ran to its end"
            for action in sorted(wanted(kind) - {"poison"})
            if not any(execution.outcome == "done" for execution in runs.get((event_id, action), ()))
        ]
        found += _disagreements(records, event_id, is_poison="poison" in wanted(kind))
    return found


def _disagreements(records: Records, event_id: str, *, is_poison: bool) -> Iterator[str]:
    stored = records.stored.get(event_id)
    if stored is None:
        yield f"{event_id} was accepted, and the ledger has nothing of it"
    elif stored.state != ("dead" if is_poison else "done"):
        yield f"{event_id} is {stored.state} in the ledger: {'; '.join(stored.errors) or 'no error'}"
    elif is_poison and not any(DEATH in error for error in stored.errors):
        yield f"{event_id} killed its process, and its ledger says {stored.errors}"


def find_wrong_answers(records: Records, refusing: frozenset[str]) -> list[str]:
    """Answers that docs/receiver.md doesn't have for a genuine delivery, and none where no fault explains it.

    `refusing` names the faults under which there may be none.
    """
    return [
        f"{answer.source}: {answer.status or answer.outcome} after {answer.ended - answer.began:.2f} s"
        for answer in records.answers
        if not _is_right(answer) and not (answer.status == 0 and _is_explained(answer, records, refusing))
    ]


def refused_in_rolling_restarts(records: Records, refusing: frozenset[str]) -> list[str]:
    """Requests without an answer while processes were replaced one at a time, or soon afterwards.

    Those aside that came during the next fault, if that is one of `refusing`.
    """
    rolling = [fault for fault in records.faults if fault.name.startswith("roll-")]
    others = [fault for fault in records.faults if fault.name in refusing]
    return [
        f"{answer.source}: {answer.outcome}"
        for answer in records.answers
        if answer.status == 0
        and any(_overlaps(answer, fault) for fault in rolling)
        and not any(fault.began <= answer.began <= fault.ended for fault in others)
    ]


def count_answers(records: Records) -> Mapping[str, int]:
    """How many there were of each kind."""
    return Counter(
        f"{answer.status} {answer.outcome}".strip() if answer.status else "no answer"
        for answer in records.answers
    )


def _is_right(answer: Answer) -> bool:
    if answer.status == 202:
        return answer.outcome in ("queued", "duplicate") and bool(answer.event_id)
    return answer.status == 503 and answer.has_retry_after


def _is_explained(answer: Answer, records: Records, refusing: frozenset[str]) -> bool:
    return any(fault.name in refusing and _overlaps(answer, fault) for fault in records.faults)


def _overlaps(answer: Answer, fault: Fault) -> bool:
    return answer.began <= fault.ended + AFTERWARDS_SECONDS and answer.ended >= fault.began
