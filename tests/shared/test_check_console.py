"""What `hookline check` says of the console."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.cli.console_findings import examine_console
from hookline.cli.findings import Grade
from hookline.settings import Console

LONG = "a-long-random-passw0rd"


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    """A reference to a good one."""
    monkeypatch.setenv("TEST_PASSWORD", LONG)
    return "env:TEST_PASSWORD"


def found(**settings: Any) -> list[tuple[Grade, str]]:
    """Each finding's grade and what is told."""
    return [(each.grade, each.told) for each in examine_console(Console(**settings))]


def test_without_a_password_it_does_not_start() -> None:
    """Which is nothing wrong for who does not want it."""
    assert found() == [(Grade.DOUBTFUL, "has no password, and without one it does not start")]


def test_a_password_that_is_not_there_is_wrong() -> None:
    """It is the reference that is told."""
    ((grade, told),) = found(password="env:NO_SUCH_PASSWORD")
    assert grade is Grade.WRONG
    assert "NO_SUCH_PASSWORD is not set" in told


def test_a_short_password_is_doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is not told itself."""
    monkeypatch.setenv("TEST_PASSWORD", "swordfish")
    ((grade, told),) = found(password="env:TEST_PASSWORD")
    assert grade is Grade.DOUBTFUL
    assert "short" in told
    assert "swordfish" not in told


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_for_this_machine_alone_a_long_password_is_enough(password: str, host: str) -> None:
    """Nothing more is said."""
    assert [grade for grade, _ in found(password=password, host=host)] == [Grade.RIGHT]


def test_where_others_may_listen_it_wants_tls(password: str) -> None:
    """The password comes in clear otherwise."""
    grades = [grade for grade, _ in found(password=password, host="0.0.0.0")]
    assert grades == [Grade.RIGHT, Grade.DOUBTFUL]
    with_tls = found(password=password, host="0.0.0.0", secure_cookies=True)
    assert [grade for grade, _ in with_tls] == [Grade.RIGHT]
