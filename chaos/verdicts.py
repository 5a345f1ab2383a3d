"""What must be, and the verdict on what was: a row each, and the evidence against it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chaos.backlog import by_run, own_seconds, seconds_to_empty, waiting
from chaos.faults import KINDS
from chaos.losses import find_losses, find_wrong_answers, refused_in_rolling_restarts
from chaos.memory import MEBIBYTE, Growth
from chaos.records import Fault, Records
from chaos.repeats import Repeats, find_repeats

RECOVERY_SECONDS = 15.0
MET, NOT_MET, NOT_TIMED = "met", "NOT met", "not timed"
REFUSING = frozenset(kind.name for kind in KINDS if kind.can_refuse)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. A row that could not be judged says `skipped`, and why.

    One that goes by the clock is `not timed` on a machine that is busy with other things.
    """

    what: str
    must_be: str
    was: str
    verdict: str
    against: Sequence[str] = field(default_factory=tuple)
    """What speaks against it, one by one."""

    @property
    def is_failed(self) -> bool:
        """Whether it was judged, and not met."""
        return self.verdict == NOT_MET


@dataclass(frozen=True, slots=True)
class Recovery:
    """One fault, and how long its backlog lasted."""

    fault: Fault
    backlog: int
    """The runs that were accepted and in nobody's hands when it ended."""
    seconds: float

    @property
    def allowed_seconds(self) -> float:
        """15 s and the backlog's own time."""
        return RECOVERY_SECONDS + self.backlog_seconds

    backlog_seconds: float = 0.0


def judge_campaign(records: Records, campaign: str = "", *, is_timed: bool = True) -> list[Row]:
    """The rows that a campaign is judged by; what goes by the clock only if it is timed."""
    name = f" ({campaign})" if campaign else ""
    repeats = find_repeats(records)
    repeated = repeats.unexcused + (repeats.too_early if is_timed else [])
    rolls = refused_in_rolling_restarts(records, REFUSING)
    wrong = find_wrong_answers(records, REFUSING)
    rows = [
        _none(f"answered 2xx and never run{name}", find_losses(records)),
        _none(f"recorded run repeated (no replay){name}", repeated),
        _excused(name, repeats, _verdict(repeated, is_timed=is_timed)),
        _recovered(name, recoveries(records), is_timed=is_timed),
        _none(f"answers other than the table's{name}", wrong),
    ]
    if any(fault.name.startswith("roll-") for fault in records.faults):
        rows.append(_none(f"requests refused or reset in a rolling restart{name}", rolls))
    return rows


def judge_memory(found: Mapping[str, Growth], seconds: float) -> Row:
    """The row of the soak."""
    what = f"memory of each process over a soak of {seconds / 60:.3g} minutes"
    if not found:
        return Row(what, "flat", "–", "skipped: there was no soak")
    told = {name: f"{name} {grown.grown_bytes / MEBIBYTE:+.1f} MiB" for name, grown in found.items()}
    against = [told[name] for name, grown in found.items() if not grown.is_flat]
    most = max(found, key=lambda name: found[name].grown_bytes)
    return Row(what, "flat", f"at most: {told[most]}", NOT_MET if against else MET, against)


def recoveries(records: Records) -> list[Recovery]:
    """How each fault ended."""
    runs, accepted = by_run(records.executions), records.accepted()
    found = []
    for fault in records.faults:
        begins = waiting(fault.ended, accepted, runs, records.kills)
        seconds = seconds_to_empty(fault.ended, begins)
        found.append(Recovery(fault, len(begins), seconds, own_seconds(begins)))
    return found


def skipped_row(what: str, must_be: str, reason: str) -> Row:
    """A row that could not be had here."""
    return Row(what, must_be, "–", f"skipped: {reason}")


def _none(what: str, against: Sequence[str]) -> Row:
    return Row(what, "0", str(len(against)), NOT_MET if against else MET, against)


def _excused(name: str, repeats: Repeats, verdict: str) -> Row:
    ended = repeats.excused.total() - repeats.under_way
    was = f"{repeats.excused.total()}: {repeats.under_way} under way, {ended} just ended"
    if repeats.oldest_ms:
        was += f" (≤ {repeats.oldest_ms:.0f} ms before)"
    what = f"run repeated because its process was killed before it was recorded{name}"
    must_be = "at most what was under way or ended in the last 10 ms, same idempotency key"
    return Row(what, must_be, was, verdict)


def _recovered(name: str, found: Sequence[Recovery], *, is_timed: bool) -> Row:
    what, must_be = f"from a fault's end to an empty backlog{name}", "within 15 s + the backlog's own time"
    if not found:
        return skipped_row(what, must_be, "there was no fault")
    against = [
        f"{each.fault.name}: {_seconds(each.seconds)} with a backlog of {each.backlog} runs"
        for each in found
        if (each.seconds > each.allowed_seconds if is_timed else math.isinf(each.seconds))
    ]
    slowest = max(found, key=lambda each: each.seconds)
    was = f"at most {_seconds(slowest.seconds)} ({slowest.fault.name}), {len(found)} faults"
    return Row(what, must_be, was, _verdict(against, is_timed=is_timed), against)


def _verdict(against: Sequence[str], *, is_timed: bool) -> str:
    """Of a row that goes by the clock."""
    return NOT_MET if against else MET if is_timed else NOT_TIMED


def _seconds(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds:.1f} s"
