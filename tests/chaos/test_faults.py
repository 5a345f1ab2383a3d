"""The faults and the plan: what comes when, and what is left out where it can't be had."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from chaos.deliveries import POISON, deliveries
from chaos.failover import KINDS as FAILOVERS
from chaos.faults import KINDS
from chaos.isolation import why_no_mounts
from chaos.ledger import EVENT_KEYS
from chaos.plan import make_plan
from chaos.verdicts import MET, NOT_MET, skipped_row
from chaos.witness import Witness
from hookline.keys import EVENT_PREFIX


def test_every_fault_has_a_name_of_its_own_and_says_what_happens() -> None:
    """Both are in the documentation."""
    kinds = [*KINDS, *FAILOVERS]
    assert len({kind.name for kind in kinds}) == len(kinds)
    assert all(kind.text.endswith(".") for kind in kinds)


def test_the_same_seed_plans_the_same_faults_and_another_one_others() -> None:
    """So that a run can be had again."""

    def order(seed: int) -> list[str]:
        plan = make_plan(seed=seed, events=None, is_quick=False, only=())
        return [kind.name for kind in itertools.islice(plan.kinds(KINDS), 3 * len(KINDS))]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_every_fault_comes_once_before_any_comes_again() -> None:
    """In each round in another order."""
    plan = make_plan(seed=5, events=None, is_quick=False, only=())
    names = [kind.name for kind in itertools.islice(plan.kinds(KINDS), 2 * len(KINDS))]
    assert set(names[: len(KINDS)]) == set(names[len(KINDS) :]) == {kind.name for kind in KINDS}


def test_a_fault_without_its_means_is_left_out_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is skipped is neither met nor not."""
    monkeypatch.setenv("CHAOS_NAMESPACE", "no")
    reason = why_no_mounts()
    assert reason is not None
    assert "unshare" in reason
    assert skipped_row("a row", "0", reason).verdict not in (MET, NOT_MET)


def test_deliveries_are_the_same_for_a_seed_and_some_are_poison() -> None:
    """Both senders have their share."""
    first, again = (list(deliveries(400, 3)) for _ in range(2))
    assert [each.key for each in first] == [each.key for each in again]
    assert len({each.key for each in first}) == 400
    assert sum(each.kind == f"esa.{POISON}" for each in first) == 1
    assert {each.source for each in first} == {"misskey", "team"}


def test_a_witness_is_read_as_it_grows(tmp_path: Path) -> None:
    """A line that isn't whole yet is left for the next time."""
    file = tmp_path / "witness"
    witness = Witness(file)
    witness.read()
    line = "{} k:quick e quick 1 7 6 100.0 {} {}\n"
    file.write_text(line.format("begin", 1.0, "-") + line.format("end", 2.0, "done")[:20])
    witness.read()
    assert [(run.began, run.ended) for run in witness.executions] == [(1.0, None)]
    file.write_text(
        line.format("begin", 1.0, "-") + line.format("end", 2.0, "done") + line.format("kill", 3.0, "-")
    )
    witness.read()
    assert [(run.ended, run.outcome) for run in witness.executions] == [(2.0, "done")]
    assert [(kill.pid, kill.at) for kill in witness.kills] == [(7, 3.0)]


def test_the_ledger_is_read_where_hookline_keeps_it() -> None:
    """The harness spells the key itself, since it is to be independent."""
    assert f"{EVENT_PREFIX}*" == EVENT_KEYS
