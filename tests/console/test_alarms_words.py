"""What messages say, when nobody is to be told, and whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from hookline.cli.alarm_findings import examine_alarms
from hookline.cli.findings import Grade
from hookline.errors import SettingsError
from hookline.keys import ALARMS_KEY, WATCHMAN_KEY
from hookline.references import strike_out
from hookline.settings import Alarms
from hookline.store import Store
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.book import Entry, Kind, News
from hookline_console.alarms.keeping import Kept, load, save, take_turn
from hookline_console.alarms.letters import GIVEN_UP_MS, Letter, Letters
from hookline_console.alarms.look import Memory, Streak
from hookline_console.alarms.message import LONGEST, Message, compose
from hookline_console.alarms.quiet import is_quiet
from hookline_console.alarms.readiness import checked_addresses
from hookline_console.alarms.telling import targets
from hookline_console.alarms.wording import duration, moment, quoted

NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00Z
MINUTE = 60_000

# Apprise loads all of its services at once, one of which looks for a module that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def news(
    kind: Kind = Kind.NEW, title: str = "Redis is away", text: str = "Since 11:50.", **others: Any
) -> News:
    """News of an alarm of the last ten minutes."""
    given: dict[str, Any] = {"severity": Severity.ERROR, "since_ms": NOON_MS - 10 * MINUTE} | others
    return News(kind, Alarm("key", title, text, "Start it.", **given), given["since_ms"], NOON_MS)


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (400, "0 s"),
        (59_400, "59 s"),
        (60_000, "1 min"),
        (3_599_000, "59 min"),
        (12_000_000, "3 h 20 min"),
        (7_200_000, "2 h"),
        (187_200_000, "2 d 4 h"),
        (-5, "0 s"),
    ],
)
def test_a_duration_is_said_roughly(milliseconds: int, said: str) -> None:
    """In the two largest units."""
    assert duration(milliseconds) == said


def test_a_moment_has_its_date_where_it_was_not_today() -> None:
    """Today is where the reader is."""
    assert moment(NOON_MS - 5 * MINUTE, NOON_MS, UTC) == "11:55"
    assert moment(NOON_MS - 13 * 60 * MINUTE, NOON_MS, UTC) == "2026-05-31 23:00"
    assert moment(NOON_MS - 13 * 60 * MINUTE, NOON_MS, timezone(timedelta(hours=9))) == "08:00"


def test_what_others_wrote_is_cut_and_stays_in_its_line() -> None:
    """It may come from a sender."""
    assert quoted("a\nb\x1b[31m @here") == "a␊b␛[31m @ here"
    assert quoted("x" * 500) == "x" * 199 + "…"


@pytest.mark.parametrize(
    ("window", "quiet_hours"),
    [
        ("22:00-07:00", {22, 23, 0, 1, 2, 3, 4, 5, 6}),
        ("09:00-11:00", {9, 10}),
        ("00:00-00:00", set()),
        (None, set()),
    ],
)
def test_quiet_times_may_go_over_midnight(window: str | None, quiet_hours: set[int]) -> None:
    """From the first minute, to the last before the end."""
    day = datetime(2026, 6, 1, tzinfo=UTC)
    assert {hour for hour in range(24) if is_quiet(window, day.replace(hour=hour))} == quiet_hours
    assert {hour for hour in range(24) if is_quiet(window, day.replace(hour=hour, minute=59))} == quiet_hours


def test_a_message_says_what_since_when_how_bad_and_what_to_do() -> None:
    """And its title the gravest of all, as what is told first."""
    second = news(title="Nothing comes from notes", text="For a day.", severity=Severity.WARNING)
    assert compose([news(), second], NOON_MS, UTC) == Message(
        "Hookline: Redis is away (and 1 more)",
        "Redis is away. Since 11:50.\nWhat to do: Start it.\n\n"
        "Nothing comes from notes. For a day.\nWhat to do: Start it.",
        "failure",
    )


@pytest.mark.parametrize(
    ("kind", "title", "body", "grade"),
    [
        (Kind.STILL, "A", "Still, for 10 min: A. B.\nWhat to do: Start it.", "failure"),
        (Kind.OVER, "over: A", "Over: A. It was so from 11:50 to 12:00 (10 min).", "success"),
        (Kind.WAS, "over: A", "Over by now: A. It was so from 11:50 to 12:00 (10 min). B.", "success"),
    ],
)
def test_a_message_says_that_something_is_still_so_or_over(
    kind: Kind, title: str, body: str, grade: str
) -> None:
    """With from when to when it was."""
    assert compose([news(kind, "A", "B.")], NOON_MS, UTC) == Message(f"Hookline: {title}", body, grade)


def test_a_message_is_never_too_long_for_a_chat_room() -> None:
    """What does not fit is counted."""
    url = "https://hookline.example.org"
    message = compose([news(title=f"Alarm {n}", text="x" * 300) for n in range(20)], NOON_MS, UTC, url)
    assert len(message.body) < LONGEST + 100
    assert message.body.endswith(f"… and 15 more alarms; the console shows them.\n\n{url}")


def test_a_warning_alone_is_graded_as_one() -> None:
    """Services show it in another colour."""
    assert compose([news(severity=Severity.WARNING)], NOON_MS, UTC).grade == "warning"


def test_the_parts_of_a_url_are_struck_out_as_the_whole_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library underneath may write a token without the rest; the name of a host stays."""
    token, key = "tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2", "k%2Bey-in-the-query"
    monkeypatch.setenv("ALARM_URL", f"ntfys://someone:pa55@ntfy.example.org/{token}?token={key}")
    (target,) = targets(("env:ALARM_URL",))
    assert (target.service, target.reference) == ("ntfy", "env:ALARM_URL")
    told = f"POST https://ntfy.example.org/{token} k+ey-in-the-query pa55"
    assert strike_out(told) == "POST https://ntfy.example.org/*** *** ***"


def test_a_token_in_the_place_of_the_host_is_struck_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Discord and Slack have it."""
    monkeypatch.setenv("ALARM_URL", f"discord://{'4174216298' * 2}/{'jHMHy_Sm' * 9}")
    targets(("env:ALARM_URL",))
    assert strike_out(f"/api/webhooks/{'4174216298' * 2}/{'jHMHy_Sm' * 9}") == "/api/webhooks/***/***"


def test_what_is_no_apprise_url_is_an_error_that_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does `hookline check`, which says the same."""
    monkeypatch.setenv("ALARM_URL", "discrd://4174216298/jHMHy_SmjHMHy")
    with pytest.raises(SettingsError, match="what 'env:ALARM_URL' points to is no Apprise URL") as raised:
        targets(("env:ALARM_URL",))
    (finding,) = examine_alarms(Alarms(to=("env:ALARM_URL",)))
    assert finding.grade is Grade.WRONG
    assert "jHMHy" not in str(raised.value) + finding.told


def test_check_says_of_every_url_whether_it_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And of which service it is; where nobody is to be told it says nothing."""
    monkeypatch.delenv("ALARM_URL", raising=False)
    (tmp_path / "url").write_text("mailtos://someone:secret@example.org\n")
    given = Alarms(
        to=("env:ALARM_URL", f"file:{tmp_path}/url"), receivers=("127.0.0.1:8081", "http://[::1]:8081")
    )
    missing, there, address = examine_alarms(given)
    assert (missing.grade, there.grade, address.grade) == (Grade.WRONG, Grade.RIGHT, Grade.WRONG)
    assert "ALARM_URL is not set" in missing.told
    assert there.told.endswith("goes to E-Mail")
    assert "127.0.0.1:8081" in address.told
    assert list(examine_alarms(Alarms())) == []


@pytest.mark.parametrize("address", ["127.0.0.1:8081", "ftp://host", "http://"])
def test_an_address_that_cannot_be_asked_is_an_error(address: str) -> None:
    """Before anything begins."""
    with pytest.raises(SettingsError, match=r"alarms\.receivers"):
        checked_addresses([address])


async def test_a_message_that_nobody_takes_for_a_day_is_given_up() -> None:
    """The pauses between grow to ten minutes; whoever is not told any more by the settings is left out."""
    letters = Letters([])
    letters.on_their_way["1"] = Letter("1", Message("t", "b", "failure"), NOON_MS, ["env:GONE"])
    await letters.send(NOON_MS)
    assert letters.on_their_way == {}
    letters.close()


async def test_the_pauses_between_tries_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """From ten seconds to ten minutes, for a day."""
    monkeypatch.setenv("ALARM_URL", "json://127.0.0.1:1/")
    letters = Letters(targets(("env:ALARM_URL",)))
    letters.write(Message("t", "b", "failure"), NOON_MS)
    (letter,) = letters.on_their_way.values()
    pauses, now_ms = [], NOON_MS
    while letter.tries < 8:
        assert letters.is_due(now_ms)
        await letters.send(now_ms)
        pauses.append((letter.next_ms - now_ms) // 1000)
        assert not letters.is_due(letter.next_ms - 1)
        now_ms = letter.next_ms
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600]
    await letters.send(NOON_MS + GIVEN_UP_MS)
    assert letters.on_their_way == {}
    letters.close()


def test_what_is_kept_comes_back_as_it_was(redis: Redis) -> None:
    """What another version wrote, or another program, is left out, and removed."""
    store = Store(redis)
    entry = Entry(news().alarm, 1, 2, 3, 1, True, 4, 5)
    letter = Letter("id", Message("t", "b", "failure"), 6, ["env:A"], 7, 8)
    memory = Memory(9, 10, {"a": Streak(1, 2, 3, 4, 5)}, 11, {"http://r": 12}, ("http://r",), 13)
    kept = Kept(memory, {"key": entry}, 14, {"id": letter})
    take_turn(store, "me")
    redis.hset(ALARMS_KEY, mapping={"alarm:odd": '{"severity": "?"}', "memory": b"\xff", "anything": "1"})
    _, stored = load(store)
    assert save(store, "me", kept, stored).keys() == {"alarm:key", "message:id", "memory", "waiting_since"}
    assert load(store)[0] == kept


def test_only_one_has_the_turn_and_only_that_one_writes(redis: Redis) -> None:
    """Until it ends, or has said nothing for long."""
    store = Store(redis)
    assert take_turn(store, "me")
    assert not take_turn(store, "another")
    assert take_turn(store, "me")
    assert 0 < redis.pttl(WATCHMAN_KEY) <= 20_000
    assert save(store, "another", Kept(Memory(1)), {}) == {}
    assert not redis.exists(ALARMS_KEY)
