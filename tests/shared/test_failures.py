"""Failures that differ by a number or an id alone are one group."""

from __future__ import annotations

import json

import pytest

from hookline.failures import LABEL_CHARACTERS, failure_group


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GiveUp: post 2242 was never published", "GiveUp: post 7 was never published"),
        ("no note 9abcd12 here", "no note a1b2c3d here"),
        ("TimeoutError: took 30.1 s", "TimeoutError: took 2.25 s"),
        ("ValueError: bad\nin line 1", "ValueError: bad\nelsewhere"),
    ],
)
def test_errors_that_are_alike_are_one_group(one: str, other: str) -> None:
    """What has a digit in it stands for nothing, and only the first line counts."""
    assert failure_group("plugin.act", one) == failure_group("plugin.act", other)


@pytest.mark.parametrize(
    ("action", "error"),
    [("plugin.other", "ValueError: bad"), ("plugin.act", "ValueError: worse"), ("", "ValueError: bad")],
)
def test_another_action_or_error_is_another_group(action: str, error: str) -> None:
    """Replaying one group must not run the other."""
    assert failure_group(action, error)[0] != failure_group("plugin.act", "ValueError: bad")[0]


def test_a_group_is_called_by_its_action_and_error() -> None:
    """As JSON, and however long or strange the error is."""
    group, label = failure_group("plugin.act", "ValueError: \ud800 " + "x" * 1000)
    told = json.loads(label)
    assert (len(group), told["action"], len(told["error"])) == (16, "plugin.act", LABEL_CHARACTERS)
