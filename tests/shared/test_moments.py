"""Moments as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from hookline.errors import HooklineError
from hookline.moments import HOW_TO_WRITE, UNIT_MS, moment_ms
from hookline.operations import now_ms


@pytest.mark.parametrize("unit", UNIT_MS)
def test_so_long_ago_is_counted_from_now(unit: str) -> None:
    """In each of the units."""
    before_ms = now_ms()
    told_ms = moment_ms(f"3{unit}")
    assert told_ms is not None
    assert before_ms <= told_ms + 3 * UNIT_MS[unit] <= now_ms()


def test_a_date_is_in_its_own_zone_or_in_this_machines() -> None:
    """Nothing written is no moment."""
    assert moment_ms("2026-05-01T12:00+09:00") == 1_777_604_400_000
    assert moment_ms("2026-05-01") == int(datetime(2026, 5, 1).timestamp() * 1000)
    assert moment_ms(None) is None


@pytest.mark.parametrize("text", ["", "soon", "2 h", "-1h", "1w", "2026-13-01"])
def test_what_is_no_moment_says_how_one_is_written(text: str) -> None:
    """And quotes what was written."""
    with pytest.raises(HooklineError) as caught:
        moment_ms(text)
    assert str(caught.value) == f"{text!r} is not a moment; write it {HOW_TO_WRITE}"
