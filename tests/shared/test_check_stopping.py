"""What `hookline check` says of runs that a stopping worker would not wait for."""

from __future__ import annotations

from hookline.cli.findings import Finding, Grade
from hookline.cli.plugin_report import DeclaredAction
from hookline.cli.stopping_findings import examine_stopping
from hookline.settings import Worker


def examine(worker: Worker, **timeouts: float | None) -> list[Finding]:
    """The findings about actions of these names and timeouts."""
    actions = [
        DeclaredAction(name=name, plugin="mirror", matches=("*",), timeout_seconds=seconds)
        for name, seconds in timeouts.items()
    ]
    return list(examine_stopping(worker, actions))


def test_the_defaults_cut_no_run() -> None:
    """A worker waits for longer than an action may take that says nothing of its time."""
    assert examine(Worker(), write=None) == []


def test_an_action_that_takes_longer_is_named() -> None:
    """With what to raise the setting to, and only those that are concerned."""
    (finding,) = examine(Worker(shutdown_seconds=45), quick=5, write=120, copy=40.5)
    assert finding.grade is Grade.DOUBTFUL
    assert finding.subject == "worker.shutdown_seconds"
    assert (
        finding.told
        == "45: a stop cuts runs of copy (40.5 s), write (120 s) and hands them over, to begin anew"
    )
    assert finding.mend.startswith("raise it to 125, ")


def test_what_is_told_to_raise_it_to_is_enough() -> None:
    """Also where a timeout is no whole number."""
    assert len(examine(Worker(shutdown_seconds=46), write=41.5)) == 1
    assert examine(Worker(shutdown_seconds=47), write=41.5) == []


def test_the_workers_own_timeout_counts_where_an_action_says_nothing() -> None:
    """And does not where every action says something."""
    worker = Worker(timeout_seconds=90)
    assert [each.told for each in examine(worker, write=None)] == [
        "45: a stop cuts runs of write (90 s) and hands them over, to begin anew"
    ]
    assert examine(worker, write=10) == []
