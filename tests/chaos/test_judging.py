"""The judge: each thing that must not be is put into made-up records, and must be found there."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from chaos.memory import MEBIBYTE, growth
from chaos.records import Answer, Execution, Fault, Kill, Records, Stored, Write
from chaos.repeats import find_repeats, unrecorded_since
from chaos.verdicts import MET, NOT_MET, NOT_TIMED, Row, judge_campaign, judge_memory, recoveries

EVENT = "01a000000000000000000001"


def answer(status: int = 202, outcome: str = "queued", *, at: float = 10.0, event_id: str = EVENT) -> Answer:
    """An answer to the one delivery of these records."""
    has_id = 200 <= status < 300
    return Answer(
        "delivery-1",
        "misskey",
        "misskey.follow",
        at - 0.01,
        at,
        status,
        outcome,
        event_id if has_id else "",
        has_retry_after=status == 503,
    )


def execution(
    began: float = 10.1, ended: float | None = 10.2, *, pid: int = 7, action: str = "quick", attempt: int = 1
) -> Execution:
    """One call of an action on the one event of these records."""
    outcome = "" if ended is None else "done"
    return Execution(f"{EVENT}:witnessed.{action}", EVENT, action, attempt, pid, began, ended, outcome)


def records(*executions: Execution, **changes: object) -> Records:
    """What is seen when one delivery is accepted, run and recorded, unless something is said to differ."""
    made = Records(
        answers=[answer()],
        executions=list(executions or [execution()]),
        writes=[Write(at / 50, at / 50 + 0.002, is_done=True) for at in range(50 * 60)],
        stored={EVENT: Stored(EVENT, "misskey", "delivery-1", "done")},
        faults=[Fault("kill-redis", 1, 9.0, 9.5)],
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def row(found: Records, start: str) -> Row:
    """The row of the verdict that begins like this."""
    return next(row for row in judge_campaign(found) if row.what.startswith(start))


def test_what_is_as_it_should_be_is_met_in_every_row() -> None:
    """The judge finds no fault where there is none."""
    assert {row.verdict for row in judge_campaign(records())} == {MET}


def test_an_accepted_event_that_never_ran_is_lost() -> None:
    """Even if the ledger says that it is done."""
    found = row(records(execution(action="another")), "answered 2xx")
    assert (found.verdict, found.was) == (NOT_MET, "1")
    assert EVENT in found.against[0]


def test_a_run_that_never_came_to_its_end_is_lost() -> None:
    """To begin is not enough."""
    assert row(records(execution(ended=None)), "answered 2xx").is_failed


def test_an_accepted_event_that_the_ledger_lacks_is_lost() -> None:
    """Even if its actions ran."""
    assert row(records(stored={}), "answered 2xx").is_failed


def test_an_id_of_the_spool_may_give_way_to_the_one_that_was_stored_before() -> None:
    """The delivery is what must have been acted on, and as one event."""
    late = answer(event_id="01a000000000000000000009")
    assert not row(records(answers=[late]), "answered 2xx").is_failed
    other = replace(late, delivery="delivery-2")
    assert row(records(answers=[answer(), other]), "answered 2xx").is_failed


def test_an_accepted_event_that_ends_as_a_dead_letter_is_told() -> None:
    """Only what kills its process may."""
    dead = {EVENT: Stored(EVENT, "misskey", "delivery-1", "dead", ["ValueError: no"])}
    assert "ValueError: no" in row(records(stored=dead), "answered 2xx").against[0]


def poisoned(state: str, error: str) -> Records:
    """Records of an event that kills its process, and what the ledger says of it."""
    return records(
        execution(),
        answers=[replace(answer(), kind="esa.post_stop_sharing")],
        stored={EVENT: Stored(EVENT, "team", "delivery-1", state, [error])},
    )


def test_poison_must_be_a_dead_letter_that_says_what_it_died_of() -> None:
    """With the signal's number."""
    told = "process died: signal 11 (Segmentation fault)"
    assert not row(poisoned("dead", told), "answered 2xx").is_failed
    assert row(poisoned("done", told), "answered 2xx").is_failed
    assert row(poisoned("dead", "process died: unseen"), "answered 2xx").is_failed


def test_a_run_that_is_executed_again_without_a_death_is_never_excused() -> None:
    """Its process lived, so it was recorded."""
    found = row(records(execution(), execution(11.0, 11.1, pid=8)), "recorded run repeated")
    assert (found.verdict, found.was) == (NOT_MET, "1")


def test_a_run_whose_process_was_killed_under_it_may_be_executed_again() -> None:
    """That is the one repeat that is promised."""
    killed = records(
        execution(ended=None), execution(11.0, 11.1, pid=8), kills=[Kill(7, 10.15, "kill-child")]
    )
    repeats = find_repeats(killed)
    assert (repeats.unexcused, repeats.under_way, repeats.excused) == ([], 1, {"kill-child": 1})
    assert {row.verdict for row in judge_campaign(killed)} == {MET}


@pytest.mark.parametrize(("before_seconds", "is_excused"), [(0.005, True), (0.05, False)])
def test_a_run_that_had_ended_may_be_executed_again_only_if_that_was_just_before(
    before_seconds: float, is_excused: bool
) -> None:
    """10 ms, and the 2 ms that a write takes in these records."""
    kills = [Kill(7, 10.2 + before_seconds, "kill-child")]
    repeats = find_repeats(records(execution(), execution(11.0, 11.1, pid=8), kills=kills))
    assert (not repeats.too_early, repeats.unexcused) == (is_excused, [])


def test_without_a_clock_only_what_needs_none_is_judged() -> None:
    """A repeat whose process was not killed, and a backlog that never goes."""
    killed = {"kills": [Kill(7, 10.25, "kill-child")]}
    late = records(execution(), execution(60.0, 60.1, pid=8), **killed)
    assert [row.verdict for row in judge_campaign(late)] == [MET, NOT_MET, NOT_MET, MET, MET]
    assert [row.verdict for row in judge_campaign(late, is_timed=False)] == [
        MET,
        MET,
        NOT_TIMED,
        NOT_TIMED,
        MET,
    ]

    slow = records(execution(50.0, 50.1), answers=[replace(answer(), ended=9.2)])
    assert row(slow, "from a fault's end").verdict == NOT_MET
    assert judge_campaign(slow, is_timed=False)[3].verdict == NOT_TIMED

    alive = records(execution(), execution(11.0, 11.1, pid=8))
    assert judge_campaign(alive, is_timed=False)[1].verdict == NOT_MET
    never = records(
        execution(ended=None), answers=[replace(answer(), ended=9.2)], kills=[Kill(7, 9.3, "kill-child")]
    )
    assert judge_campaign(replace(never, executions=[]), is_timed=False)[3].verdict == NOT_MET


def test_a_death_before_the_run_began_excuses_nothing() -> None:
    """Process ids come again."""
    kills = [Kill(7, 10.0, "kill-child")]
    assert find_repeats(records(execution(), execution(11.0, 11.1, pid=8), kills=kills)).unexcused


def test_a_planned_retry_is_no_repeat() -> None:
    """The first attempt failed, and the second is another one."""
    failed = replace(execution(), outcome="failed")
    assert not find_repeats(records(failed, execution(11.0, 11.1, attempt=2))).unexcused


def test_a_delivery_that_is_stored_twice_counts_as_repeated() -> None:
    """Its runs have keys of their own then, and only the ledger tells."""
    other = "01a000000000000000000002"
    stored = {event_id: Stored(event_id, "misskey", "delivery-1", "done") for event_id in (EVENT, other)}
    assert "stored 2 times" in row(records(stored=stored), "recorded run repeated").against[0]


def test_what_ended_while_redis_took_no_writes_need_not_be_recorded() -> None:
    """Back to the last write that it took, and 10 ms."""
    writes = [Write(1.0, 1.1, True), Write(1.2, 4.2, False), Write(4.3, 7.3, False), Write(7.4, 7.5, True)]
    assert unrecorded_since(5.0, writes) == pytest.approx(0.99)
    assert unrecorded_since(7.6, writes) == pytest.approx(0.99)  # a recorder may not have tried again yet
    assert unrecorded_since(8.6, [*writes, Write(8.2, 8.3, True)]) == pytest.approx(8.49)


@pytest.mark.parametrize(
    "wrong",
    [answer(401, ""), answer(500, ""), answer(0, "no answer"), answer(202, "accepted"), answer(204, "")],
    ids=lambda wrong: f"{wrong.status}-{wrong.outcome}",
)
def test_an_answer_that_is_not_in_the_table_is_told(wrong: Answer) -> None:
    """For a genuine delivery there are 202 queued, 202 duplicate and 503."""
    assert row(records(answers=[answer(), wrong]), "answers other").is_failed


def test_a_503_says_when_to_try_again() -> None:
    """One without Retry-After is not in the table."""
    assert not row(records(answers=[answer(), answer(503, "")]), "answers other").is_failed
    bare = replace(answer(503, ""), has_retry_after=False)
    assert row(records(answers=[answer(), bare]), "answers other").is_failed


def test_no_answer_is_explained_by_a_fault_that_cuts_connections_and_by_no_other() -> None:
    """The death of a receiver breaks its connections; a rolling restart must not."""
    silent = [answer(), answer(0, "closed")]
    killed = records(answers=silent, faults=[Fault("kill-receiver", 1, 9.9, 9.95)])
    rolled = records(answers=silent, faults=[Fault("roll-receivers", 1, 9.0, 12.0)])
    assert not row(killed, "answers other").is_failed
    assert row(rolled, "answers other").is_failed
    assert row(rolled, "requests refused").is_failed


def test_what_the_next_fault_cuts_is_not_laid_at_a_rolling_restarts_door() -> None:
    """It may begin within a second of the restart's end."""
    roll, cut = Fault("roll-receivers", 1, 7.0, 9.5), Fault("cut-senders", 1, 9.9, 11.0)
    silent = [answer(), answer(0, "closed")]
    assert row(records(answers=silent, faults=[roll]), "requests refused").is_failed
    assert not row(records(answers=silent, faults=[roll, cut]), "requests refused").is_failed


def test_a_backlog_that_lasts_too_long_is_told() -> None:
    """From the fault's end to when the last of what was accepted before began."""
    late = records(execution(30.1, 30.2), faults=[Fault("kill-redis", 1, 8.0, 10.05)])
    assert row(late, "from a fault's end").is_failed
    assert recoveries(late)[0].seconds == pytest.approx(20.05)


def test_a_run_that_was_cut_and_never_began_again_has_no_recovery() -> None:
    """However early it began the first time."""
    cut = records(
        execution(ended=None), kills=[Kill(7, 10.15, "kill-child")], faults=[Fault("x", 1, 10.15, 10.16)]
    )
    assert math.isinf(recoveries(cut)[0].seconds)


def test_what_comes_after_a_faults_end_is_not_its_backlog() -> None:
    """Nor is what was accepted before, and had begun."""
    found = records(answers=[answer(at=10.0)], faults=[Fault("kill-redis", 1, 9.0, 9.5)])
    assert (recoveries(found)[0].backlog, recoveries(found)[0].seconds) == (0, 0.0)


def test_memory_that_rises_is_not_flat() -> None:
    """By 10 MiB over the part that is judged, however it jumps about."""
    rising = [(float(at), int((100 + at / 20 + at % 7) * MEBIBYTE)) for at in range(0, 600, 2)]
    steady = [(float(at), int((100 + at % 7) * MEBIBYTE)) for at in range(0, 600, 2)]
    grown, flat = growth(rising), growth(steady)
    assert grown is not None
    assert flat is not None
    assert grown.grown_bytes > 15 * MEBIBYTE
    assert judge_memory({"worker": grown, "receiver": flat}, 600).is_failed
    assert not judge_memory({"receiver": flat}, 600).is_failed


def test_what_a_process_takes_while_it_warms_up_is_not_judged() -> None:
    """The first third."""
    warming = [(float(at), int(min(100, 50 + at) * MEBIBYTE)) for at in range(0, 600, 2)]
    grown = growth(warming)
    assert grown is not None
    assert grown.is_flat


def test_a_failover_excuses_nothing() -> None:
    """A run begins when a replica knows who runs it, and its process lives: nothing need be repeated."""
    writes = [Write(9.0, 9.1, True), Write(10.15, 13.1, False), Write(13.2, 13.3, True)]
    again = execution(14.0, 14.1, pid=8)
    faults = [Fault("kill-primary", 1, 10.0, 13.0)]
    assert find_repeats(records(execution(), again, writes=writes, faults=faults)).unexcused
