"""Contestants in turn, and the figures that come of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.contest import NotMeasuredError, Sample, in_turn, median, ratio, spread


def test_every_contestant_has_its_turn_in_every_round() -> None:
    """A B C A B C, never A A B B."""
    order: list[str] = []

    def contestant(name: str) -> Callable[[], Sample]:
        return lambda: order.append(name) or {"value": float(len(order))}  # type: ignore[func-returns-value]

    samples = in_turn({name: contestant(name) for name in "ABC"}, 2, missing={})
    assert order == ["A", "B", "C", "A", "B", "C"]
    assert samples["B"] == [{"value": 2.0}, {"value": 5.0}]


def test_who_cannot_be_measured_is_left_out_with_the_reason() -> None:
    """Also when it is the second round that fails: half a contestant compares with nothing."""
    calls: list[int] = []

    def weak() -> Sample:
        calls.append(1)
        if len(calls) == 2:
            raise NotMeasuredError("it ended with status 3")
        return {"value": 1.0}

    missing: dict[str, str] = {}
    samples = in_turn({"weak": weak, "strong": lambda: {"value": 2.0}}, 3, missing=missing)
    assert missing == {"weak": "it ended with status 3"}
    assert list(samples) == ["strong"]
    assert len(samples["strong"]) == 3
    assert len(calls) == 2


def test_a_mistake_of_the_bench_itself_is_not_swallowed() -> None:
    """Only NotMeasuredError leaves a contestant out."""

    def broken() -> Sample:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_turn({"broken": broken}, 1, missing={})


def test_median_spread_and_ratio() -> None:
    """The median of an even number of samples lies between the middle two."""
    ours = [{"rate": value} for value in (9.0, 1.0, 4.0)]
    theirs = [{"rate": value} for value in (1.0, 3.0)]
    assert median(ours, "rate") == 4.0
    assert spread(ours, "rate") == (1.0, 9.0)
    assert ratio(ours, theirs, "rate") == 2.0
