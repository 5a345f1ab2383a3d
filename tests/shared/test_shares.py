"""Each may have up to three times what is left, so that there is something left for the next."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hookline.shares import may_take


def taken_by(takers: list[str], most: int) -> Counter[str]:
    """Who has how much, when these ask for one more each, in this order."""
    own: Counter[str] = Counter()
    for taker in takers:
        if may_take(own[taker], own.total(), most):
            own[taker] += 1
    return own


@given(st.integers(4, 200))
def test_one_alone_gets_three_quarters(most: int) -> None:
    """To within one."""
    assert abs(taken_by(["greedy"] * 1000, most)["greedy"] - most * 3 / 4) <= 1


@given(st.integers(4, 200))
def test_after_a_greedy_one_there_is_something_left(most: int) -> None:
    """For one that asks for little, and that had nothing."""
    assert taken_by(["greedy"] * 1000 + ["modest"], most)["modest"] == 1


@given(st.integers(1, 200), st.lists(st.sampled_from("abcde"), max_size=400))
def test_never_is_more_taken_than_there_is(most: int, takers: list[str]) -> None:
    """Whoever asks, and however often."""
    assert taken_by(takers, most).total() <= most
