"""The book: what is told when, what is told together, and what is not told at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.book import Book

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000


def alarm(key: str = "backlog", **others: Any) -> Alarm:
    """An alarm."""
    given: dict[str, Any] = {"severity": Severity.ERROR, "since_ms": 10 * HOUR} | others
    return Alarm(key, f"{key} is wrong", "It is.", "Mend it.", **given)


class Diary:
    """A book that is looked into every so often."""

    def __init__(self, group_seconds: float = 60.0, again_hours: float = 6.0) -> None:
        self.book = Book(group_seconds, again_hours)
        self.now_ms = 10 * HOUR
        self.told: list[str] = []

    def look(self, *alarms: Alarm, seconds: float = 5, quiet: bool = False, blind: bool = False) -> list[str]:
        """What is told after one more look, so many seconds later."""
        self.now_ms += int(seconds * SECOND)
        now = [replace(each, since_ms=min(each.since_ms, self.now_ms)) for each in alarms]
        self.book.note({each.key: each for each in now}, self.now_ms, is_blind=blind)
        news = self.book.due(self.now_ms, is_quiet=quiet)
        self.book.told(news, self.now_ms)
        said = [f"{each.kind} {each.alarm.key}" for each in news]
        self.told += said
        return said

    def pass_by(self, *alarms: Alarm, seconds: float, **how: bool) -> list[str]:
        """All that is told in so many seconds, in which one looks every five."""
        return [each for _ in range(int(seconds / 5)) for each in self.look(*alarms, **how)]


def test_what_comes_up_within_the_group_time_is_told_together() -> None:
    """Counted from the first of them; the gravest comes first."""
    diary = Diary()
    assert diary.look(alarm("silent", severity=Severity.WARNING)) == []
    both = [alarm("silent", severity=Severity.WARNING), alarm("backlog")]
    assert diary.pass_by(*both, seconds=55) == []
    assert diary.look(*both) == ["new backlog", "new silent"]
    assert diary.pass_by(*both, seconds=600) == []


def test_what_is_still_wrong_is_told_again_after_hours() -> None:
    """And not before."""
    diary = Diary(group_seconds=0)
    assert diary.look(alarm()) == ["new backlog"]
    assert diary.look(alarm(), seconds=6 * 3600 - 1) == []
    assert diary.look(alarm(), seconds=1) == ["still backlog"]


def test_that_it_is_over_is_told_when_it_has_been_gone_for_a_minute() -> None:
    """And once."""
    diary = Diary(group_seconds=0)
    diary.look(alarm())
    assert diary.look() == []
    assert diary.look(seconds=54) == []
    assert diary.look(seconds=5) == ["over backlog"]
    assert diary.look(seconds=3600) == []


def test_what_was_short_is_not_told() -> None:
    """Neither that it came nor that it went."""
    diary = Diary()
    diary.pass_by(alarm(), seconds=30)
    assert diary.pass_by(seconds=600) == []
    assert diary.book.entries == {}


def test_what_has_to_last_is_told_when_it_has() -> None:
    """A worker is started anew now and then."""
    diary = Diary(group_seconds=0)
    held = alarm("no-worker", hold_seconds=30)
    first = replace(held, since_ms=diary.now_ms + 5 * SECOND)
    assert diary.look(first) == []
    assert diary.pass_by(first, seconds=25) == []
    assert diary.look(first) == ["new no-worker"]


@pytest.mark.parametrize("period_seconds", [10, 100, 1000])
def test_what_flaps_is_told_a_few_times_and_not_each_time(period_seconds: int) -> None:
    """Half of the time up and half of it gone, for six hours; gone for long, it is over all the same."""
    diary = Diary(group_seconds=0)
    for _ in range(6 * 3600 // period_seconds):
        diary.pass_by(alarm(), seconds=period_seconds / 2)
        diary.pass_by(seconds=period_seconds / 2)
    assert 1 <= len(diary.told) <= 10
    diary.pass_by(seconds=3 * 3600)
    assert diary.told[-1] == "over backlog"


def test_a_new_stage_is_told_anew() -> None:
    """Of a clock, half time; of a spool, half full. A lower one is no news."""
    diary = Diary(group_seconds=0)
    assert diary.look(alarm(stage=0)) == ["new backlog"]
    assert diary.look(alarm(stage=1)) == ["new backlog"]
    assert diary.look(alarm(stage=0)) == []
    assert diary.look(alarm(stage=1)) == []


def test_what_is_urgent_is_told_at_once_with_all_that_waits() -> None:
    """Nobody wants two messages."""
    diary = Diary()
    diary.look(alarm())
    urgent = alarm("giving-up", severity=Severity.URGENT)
    assert diary.look(alarm(), urgent) == ["new giving-up", "new backlog"]


def test_in_quiet_times_only_what_is_urgent_is_told_and_that_it_is_over() -> None:
    """The rest is told afterwards, in one message; what came and went meanwhile too."""
    diary = Diary()
    urgent = alarm("giving-up", severity=Severity.URGENT)
    assert diary.pass_by(alarm("silent"), seconds=300, quiet=True) == []
    assert diary.look(alarm(), urgent, quiet=True) == ["new giving-up"]
    assert diary.pass_by(alarm(), seconds=120, quiet=True) == ["over giving-up"]
    assert diary.pass_by(alarm(), seconds=3600, quiet=True) == []
    assert sorted(diary.look(alarm())) == ["new backlog", "was silent"]


def test_when_quiet_times_end_nobody_waits_for_others_to_come_up() -> None:
    """Though something urgent was told just before."""
    diary = Diary()
    diary.pass_by(alarm(), seconds=300, quiet=True)
    urgent = alarm("giving-up", severity=Severity.URGENT)
    assert diary.look(alarm(), urgent, quiet=True) == ["new giving-up"]
    assert diary.look(alarm(), urgent) == ["new backlog"]


def test_what_was_short_in_quiet_times_is_not_told_afterwards() -> None:
    """It would not have been told by day either."""
    diary = Diary()
    diary.look(alarm(), quiet=True)
    diary.pass_by(seconds=300, quiet=True)
    assert diary.look() == []


def test_while_redis_is_away_nothing_is_over_that_needs_it() -> None:
    """What was up stays up, what was gone stays gone, and what can be seen without it ends."""
    diary = Diary(group_seconds=0)
    without = alarm("redis-away", needs_redis=False)
    diary.look(alarm("up"), alarm("gone"), without)
    diary.look(alarm("up"), without)
    assert diary.pass_by(seconds=120, blind=True) == ["over gone", "over redis-away"]
    assert diary.pass_by(alarm("up"), seconds=120) == []


def test_things_that_happened_are_never_over_and_told_again_with_what_came_since() -> None:
    """Dead letters: those of one error once, and after hours those that came meanwhile."""
    diary = Diary(group_seconds=0)
    deaths = alarm("dead:g1", happened=True, from_ms=100, to_ms=200)
    assert diary.look(deaths) == ["new dead:g1"]
    assert diary.book.counted == {"dead:g1": 200}
    assert diary.pass_by(seconds=600) == []
    more = replace(deaths, from_ms=200, to_ms=300)
    assert diary.pass_by(more, seconds=600) == []
    assert diary.book.counted == {"dead:g1": 200}
    assert diary.look(more, seconds=6 * 3600) == ["new dead:g1"]
    assert diary.book.counted == {"dead:g1": 300}
    assert diary.look(seconds=6 * 3600) == []
    assert diary.book.entries == {}


def test_until_they_are_told_things_are_counted_from_where_they_began() -> None:
    """A look that finds more of them does not forget the first."""
    diary = Diary()
    diary.look(alarm("dead:g1", happened=True, from_ms=100, to_ms=200))
    diary.look(alarm("dead:g1", happened=True, from_ms=100, to_ms=900))
    assert diary.book.counted == {"dead:g1": 100}


def test_an_action_whose_errors_are_all_different_is_not_told_each_time() -> None:
    """Five of them, and then no more for hours; those of another action are."""
    diary = Diary(group_seconds=0)
    many = [alarm(f"dead:{n}", happened=True, action="a", from_ms=1, to_ms=2) for n in range(20)]
    for number in range(20):
        diary.look(*many[: number + 1])
    assert len(diary.told) == 5
    other = alarm("dead:other", happened=True, action="b", from_ms=1, to_ms=2)
    assert diary.look(*many, other) == ["new dead:other"]


def test_one_who_takes_over_does_not_tell_again() -> None:
    """Nor takes what was up for gone, and what it knows itself is newer."""
    before, after = Diary(group_seconds=0), Diary(group_seconds=0)
    before.look(alarm("told"), alarm("silent"))
    after.now_ms = before.now_ms
    after.book.take_over(before.book.entries, None)
    assert after.pass_by(alarm("told"), blind=True, seconds=300) == []
    assert after.pass_by(alarm("told"), seconds=300) == ["over silent"]
