"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from hookline.errors import HooklineError
from hookline.moments import HOW_TO_WRITE, LATEST_MS, UNIT_MS, moment_ms
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


@pytest.mark.parametrize("ms", [1_777_636_800_123, 2_184_318_639_581])
def test_a_date_is_exact_to_the_millisecond(ms: int) -> None:
    """Also where the nearest float is a little below it, as in 2039."""
    assert moment_ms(f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z") == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("9999999d", 0),
        ("1" + 30 * "0" + "h", 0),
        ("0001-01-01T00:00+14:00", 0),
        ("9999-12-31T23:59-12:00", LATEST_MS),
    ],
)
def test_a_moment_can_always_be_shown_as_a_date(text: str, ms: int) -> None:
    """In any time zone; nothing was received before 1970."""
    assert moment_ms(text) == ms
    for zone in (-12, 14):
        assert datetime.fromtimestamp(ms / 1000, timezone(timedelta(hours=zone)))


@pytest.mark.parametrize("text", ["", "soon", "2 h", "-1h", "1w", "2026-13-01"])
def test_what_is_no_moment_says_how_one_is_written(text: str) -> None:
    """And quotes what was written."""
    with pytest.raises(HooklineError) as caught:
        moment_ms(text)
    assert str(caught.value) == f"{text!r} is not a moment; write it {HOW_TO_WRITE}"
