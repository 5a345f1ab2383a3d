"""Verdicts."""

from __future__ import annotations

import pytest

from bench.report import write_markdown
from bench.targets import TARGETS, Target, judge, verdicts

FASTER = Target("a", "row", "rate", 6, 10)
SMALLER = Target("b", "row", "cost", 1.5, 1.25, is_at_most=True)


@pytest.mark.parametrize(
    ("target", "value", "words"),
    [
        (FASTER, 10, "dreamt of"),
        (FASTER, 6, "met"),
        (FASTER, 3, "short by 50 %"),
        (SMALLER, 1.25, "dreamt of"),
        (SMALLER, 1.5, "met"),
        (SMALLER, 1.8, "short by 20 %"),
    ],
)
def test_a_verdict_says_what_is_missing(target: Target, value: float, words: str) -> None:
    """Reaching it exactly is reaching it, whichever way is better."""
    assert judge(target, value) == words


def test_what_was_not_measured_says_why() -> None:
    """By the figure's own reason, else its row's, else that the row was not run."""
    reasons = {TARGETS[0].figure: "no npm on PATH", "drain": "it failed"}
    words = {verdict.target.figure: verdict.words for verdict in verdicts({}, {}, reasons)}
    assert words[TARGETS[0].figure] == "not measured: no npm on PATH"
    assert words["drain.fork_ratio_rq"] == "not measured: it failed"
    assert words["slow.ratio_rq"] == "not measured: its row was not run"


def test_the_markdown_has_a_line_for_every_target(tmp_path) -> None:
    """With its value, its range and its verdict."""
    judged = verdicts({"slow.ratio_rq": 63.1}, {"slow.ratio_rq": (59.9, 64.2)}, {})
    write_markdown(tmp_path / "results.md", {"processor": "two | three"}, [], judged)
    lines = (tmp_path / "results.md").read_text().splitlines()
    assert "| slow actions against stock RQ | 63.1 × (59.9–64.2) | 14 × | 60 × | dreamt of |" in lines
    assert "| processor | two \\| three |" in lines
    assert sum("not measured" in line for line in lines) == len(TARGETS) - 1
