"""When something is wrong: figures, what is remembered, settings and a time become alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from hookline.figures import (
    ActionFigures,
    Figures,
    Minute,
    ReceiverFigures,
    RedisFigures,
    SourceFigures,
    WorkerFigures,
)
from hookline.settings import Settings
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.conditions import alarms
from hookline_console.alarms.look import Deaths, Look, Memory, Readiness, follow

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00Z
WORKER = WorkerFigures("w1", "host", 7, "idle", NOON_MS, NOON_MS)
RECEIVER = ReceiverFigures("r1", "host", 8, NOON_MS, "http://127.0.0.1:8081", "ready")
ADMIN = "http://127.0.0.1:8081"


def settings(sources: dict[str, dict[str, Any]] | None = None, **sections: Any) -> Settings:
    """Settings with a source of each provider, where no others are given."""
    given = sources or {"notes": {"provider": "misskey"}, "team": {"provider": "esa"}}
    return Settings.model_validate(
        {"sources": {name: {"unverified": True} | source for name, source in given.items()}} | sections
    )


def look(after_ms: int = 0, readiness: Sequence[Readiness] = (), **figures: Any) -> Look:
    """A look so long after noon, with a worker and a receiver where nothing else is said."""
    given = {"workers": (WORKER,), "receivers": (RECEIVER,)} | figures
    return Look(NOON_MS + after_ms, Figures(NOON_MS + after_ms, **given), readiness=tuple(readiness))


def blind(after_ms: int = 0, readiness: Sequence[Readiness] = ()) -> Look:
    """A look while Redis is away."""
    return Look(NOON_MS + after_ms, None, "connection refused", tuple(readiness))


def judge(*looks: Look, given: Settings | None = None) -> dict[str, Alarm]:
    """What is wrong at the last of these looks, of which each one remembers the earlier ones."""
    memory: Memory | None = None
    for each in looks:
        memory = follow(memory, each)
    assert memory
    return alarms(looks[-1], memory, given or settings(), UTC)


def tried(done: int = 0, retrying: int = 0, dead: int = 0, paused: int | None = None) -> dict[str, Any]:
    """The figures of one action."""
    figures = ActionFigures(done=done, retrying=retrying, dead=dead, paused_since_ms=paused)
    return {"actions": {"mirror.write": figures}}


def test_nothing_is_wrong_where_all_is_well() -> None:
    """Events that are being run, one that just waits, and Redis with room."""
    well = look(
        sources={"notes": SourceFigures(open=3, oldest_waiting_ms=900, last_at_ms=NOON_MS)},
        redis=RedisFigures(used_memory=10, maxmemory=100, aof_enabled=True, aof_last_write_ok=True),
    )
    assert judge(well) == {}


def test_failures_in_a_row_are_counted_over_several_looks() -> None:
    """Those that are tried again and those for good alike; the alarm comes with the fifth."""
    looks = [look(), look(5 * SECOND, **tried(retrying=2)), look(9 * MINUTE, **tried(retrying=3, dead=1))]
    assert judge(*looks) == {}
    alarm = judge(*looks, look(10 * MINUTE, **tried(retrying=4, dead=1)))["failing:mirror.write"]
    assert alarm.title == "mirror.write fails again and again"
    assert alarm.text == "5 attempts in a row failed since 12:00, the last one at 12:10."
    assert alarm.since_ms == NOON_MS + 5 * SECOND
    assert alarm.severity is Severity.ERROR


def test_a_success_in_between_ends_the_row() -> None:
    """Also one in the same few seconds: who knows which was the last."""
    looks = [look(), look(5 * SECOND, **tried(retrying=4)), look(10 * SECOND, **tried(done=1, retrying=8))]
    assert judge(*looks, look(15 * SECOND, **tried(done=1, retrying=12))) == {}
    assert judge(*looks, look(15 * SECOND, **tried(done=1, retrying=13)))


def test_a_paused_action_does_not_fail() -> None:
    """And when it is resumed the row begins anew."""
    looks = [look(), look(1, **tried(retrying=9)), look(2, **tried(retrying=9, paused=NOON_MS))]
    assert judge(*looks) == {}
    assert judge(*looks, look(3, **tried(retrying=10))) == {}


def test_counters_that_began_anew_are_no_failures() -> None:
    """Somebody emptied Redis, or went back to an older copy; they are counted from there."""
    assert judge(look(), look(1, **tried(retrying=4)), look(2), look(3, **tried(retrying=3))) == {}
    back = [look(), look(1, **tried(done=1, retrying=10)), look(2, **tried(done=1, retrying=3))]
    assert judge(*back, look(3, **tried(done=1, retrying=7))) == {}
    assert judge(*back, look(3, **tried(done=1, retrying=8)))


def test_who_looks_for_the_first_time_goes_by_the_minutes() -> None:
    """What failed after the last minute with a success, and not what failed in all the time before."""
    failed = {"runs:retrying:mirror.write": 3}
    minutes = (
        Minute(NOON_MS - 4 * MINUTE, {"runs:dead:mirror.write": 90}),
        Minute(NOON_MS - 3 * MINUTE, failed | {"runs:done:mirror.write": 1}),
        Minute(NOON_MS - 2 * MINUTE, failed),
        Minute(NOON_MS - MINUTE, failed),
        Minute(NOON_MS, {}),
    )
    first = replace(look(**tried(done=1, retrying=500, dead=90)), minutes=minutes)
    text = judge(first)["failing:mirror.write"].text
    assert text == "6 attempts in a row failed since 11:58, the last one at 11:59."


def test_what_is_not_tried_any_more_does_not_fail_for_ever() -> None:
    """The plugin was removed, say."""
    looks = [look(), look(1, **tried(retrying=9))]
    assert judge(*looks, look(5 * HOUR, **tried(retrying=9)))
    assert judge(*looks, look(6 * HOUR + 1, **tried(retrying=9))) == {}


def test_dead_letters_are_told_with_their_action_error_and_number() -> None:
    """Foreign text in one line, and without calling anybody."""
    deaths = Deaths("g1", "mirror.write", "HTTPError: 502\n@everyone <!channel>", 4213, NOON_MS, NOON_MS + 5)
    alarm = judge(replace(look(), deaths=(deaths,)))["dead:g1"]
    assert alarm.title == "4,213 new dead letters of mirror.write"
    assert alarm.text == "The error: HTTPError: 502␊@ everyone < !channel>. The latest was at 12:00."
    assert "hookline replay --state dead --action mirror.write" in alarm.todo
    assert (alarm.happened, alarm.from_ms, alarm.to_ms) == (True, NOON_MS, NOON_MS + 5)


def test_an_event_that_cannot_be_read_has_no_action() -> None:
    """So none is named."""
    unread = replace(look(), deaths=(Deaths("g2", "", "body: is null", 1, NOON_MS, NOON_MS),))
    assert judge(unread)["dead:g2"].title == "1 new dead letter that could not be read"


def test_dead_letters_may_be_left_out() -> None:
    """By `alarms.dead_letters`."""
    died = replace(look(), deaths=(Deaths("g1", "a", "e", 1, NOON_MS, NOON_MS),))
    assert judge(died, given=settings(alarms={"dead_letters": False})) == {}


def test_an_old_backlog_names_its_source() -> None:
    """The one that waits longest, with how many others, and how many workers there are."""
    sources = {
        "notes": SourceFigures(open=12, retrying=2, oldest_waiting_ms=301 * SECOND),
        "team": SourceFigures(open=1, oldest_waiting_ms=2 * HOUR),
        "fresh": SourceFigures(open=1, oldest_waiting_ms=300 * SECOND),
    }
    alarm = judge(look(sources=sources))["backlog"]
    assert alarm.title == "Events of team wait for 2 h"
    assert alarm.text == (
        "team: 1 event, the oldest for 2 h; notes: 10 events, the oldest for 5 min. Running: 1 worker."
    )


def test_without_a_worker_that_is_the_cause() -> None:
    """It is told instead of the backlog, and with how much waits."""
    sources = {"notes": SourceFigures(open=12, oldest_waiting_ms=2 * HOUR), "team": SourceFigures(open=1)}
    found = judge(look(sources=sources, workers=()))
    assert list(found) == ["no-worker"]
    assert found["no-worker"].text.startswith("13 events wait, the oldest for 2 h (notes 12, team 1).")
    assert found["no-worker"].hold_seconds == 30


def test_no_worker_is_needed_where_nothing_waits_for_one() -> None:
    """Of a paused source, or of a paused action, nothing does."""
    sources = {"notes": SourceFigures(open=3, paused_since_ms=1), "team": SourceFigures(open=2, paused=2)}
    assert judge(look(sources=sources, workers=())) == {}


def test_a_source_that_went_silent_is_told_of() -> None:
    """If its settings ask for it."""
    quiet = settings(
        {"notes": {"provider": "misskey", "silent_after_hours": 24}, "team": {"provider": "esa"}}
    )
    last = {"notes": SourceFigures(last_at_ms=NOON_MS), "team": SourceFigures(last_at_ms=1)}
    assert judge(look(24 * HOUR, sources=last), given=quiet) == {}
    alarm = judge(look(26 * HOUR, sources=last), given=quiet)["silent:notes"]
    assert alarm.text == (
        "The last new event came 1 d 2 h ago, at 2026-06-01 12:00 (sources.notes.silent_after_hours is 24)."
    )
    assert alarm.severity is Severity.WARNING


def test_a_source_of_which_nothing_ever_came_is_silent_since_somebody_watches() -> None:
    """Its address may be wrong at the sender."""
    quiet = settings({"notes": {"provider": "misskey", "silent_after_hours": 2}})
    assert judge(look(), look(2 * HOUR), given=quiet) == {}
    alarm = judge(look(), look(3 * HOUR), given=quiet)["silent:notes"]
    assert alarm.text.startswith("No event has ever come, and it has been watched for 3 h")


def test_while_deliveries_are_spooled_no_source_is_silent() -> None:
    """What it sends waits at the receiver."""
    quiet = settings({"notes": {"provider": "misskey", "silent_after_hours": 1}})
    spools = replace(RECEIVER, state="spooling", spool_max_bytes=100)
    found = judge(
        look(9 * HOUR, receivers=(spools,), sources={"notes": SourceFigures(last_at_ms=1)}), given=quiet
    )
    assert list(found) == ["spooling"]


def test_redis_that_is_nearly_full_is_told_of_and_again_when_it_is_full() -> None:
    """Full is where receivers stop, at 90 %; nearly is nine tenths of that."""
    used = [
        {"redis": RedisFigures(used_memory=percent << 20, maxmemory=100 << 20)} for percent in (80, 81, 90)
    ]
    assert judge(look(**used[0])) == {}
    nearly, full = (judge(look(**each))["redis-memory"] for each in used[1:])
    assert (nearly.severity, nearly.stage) == (Severity.WARNING, 0)
    assert (full.severity, full.stage, full.title) == (Severity.ERROR, 1, "Redis is full")
    assert "It has 90 of 100 MiB (90 %)" in full.text


def test_redis_without_a_limit_or_that_tells_nothing_is_taken_to_be_well() -> None:
    """Managed servers refuse INFO."""
    assert judge(look(redis=RedisFigures(used_memory=1 << 40, maxmemory=0))) == {}
    assert judge(look(redis=RedisFigures())) == {}


def test_redis_that_cannot_write_to_its_disk_is_told_of() -> None:
    """The append-only file, where there is one, and the snapshot."""
    bad = RedisFigures(aof_enabled=True, aof_last_write_ok=False, rdb_last_save_ok=False)
    assert list(judge(look(redis=bad))) == ["redis-append-only-file", "redis-snapshot"]
    assert judge(look(redis=RedisFigures(aof_enabled=False, aof_last_write_ok=False))) == {}


def test_the_give_up_clock_of_a_sender_starts_when_a_receiver_began_to_refuse() -> None:
    """It says until when whose deliveries can still be saved; half time and the end are new stages."""
    refuses = replace(RECEIVER, state="refusing", refused_since_ms=NOON_MS)
    stages = []
    for minutes in (1, 5, 6, 10, 11, 60):
        alarm = judge(look(minutes * MINUTE, receivers=(refuses,)))["giving-up"]
        assert (alarm.severity, alarm.since_ms) == (Severity.URGENT, NOON_MS)
        stages.append(alarm.stage)
    assert stages == [0, 0, 1, 1, 2, 2]
    alarm = judge(look(MINUTE, receivers=(refuses,)))["giving-up"]
    assert alarm.title == "Deliveries are refused, and lost from 12:11 on"
    assert "misskey (notes) tries for the last time at 12:11: in 10 min." in alarm.text
    assert "esa (team) is not known to try again: what it sends meanwhile is lost." in alarm.text
    over = judge(look(11 * MINUTE, receivers=(refuses,)))["giving-up"]
    assert over.title == "Deliveries are being lost"


def test_the_clock_starts_when_a_receiver_that_is_to_be_watched_is_not_ready() -> None:
    """From the first time that it was asked and answered 503, or nothing; another one may be ready."""
    down = Readiness(ADMIN, False, "does not answer")
    up = Readiness("http://127.0.0.1:8082", True, "ready")
    alarm = judge(look(0, [up, down]), look(2 * MINUTE, [up, down]))["giving-up"]
    assert alarm.since_ms == NOON_MS
    assert f"Since 12:00: {ADMIN} does not answer." in alarm.text
    assert judge(look(0, [up, down]), look(5, [up, Readiness(ADMIN, True, "ready")])) == {}


def test_the_clock_starts_when_redis_is_away_and_nobody_says_that_it_spools() -> None:
    """A receiver that is merely known, and does not answer from here, says nothing."""
    alarm = judge(look(), blind(MINUTE), blind(3 * MINUTE))["giving-up"]
    assert alarm.since_ms == NOON_MS + MINUTE
    assert "Redis is away, and no receiver says that it spools (connection refused)" in alarm.text
    assert not alarm.needs_redis


def test_where_receivers_spool_redis_being_away_is_no_reason_to_get_up() -> None:
    """It is told, with who keeps deliveries and how full that is, but not as urgent."""
    spools = Readiness(ADMIN, True, "spooling", 12, 64 << 20, is_named=False)
    found = judge(look(), blind(MINUTE, [spools]))
    assert {key: alarm.severity for key, alarm in found.items()} == {
        "redis-away": Severity.ERROR,
        "spooling": Severity.WARNING,
    }
    assert f"{ADMIN}: 12 events, 64.0 of 256 MiB (25 %)" in found["spooling"].text
    assert f"Deliveries are kept by {ADMIN}" in found["redis-away"].text


def test_the_fuller_the_spool_the_graver() -> None:
    """Told anew at half, and when it is nearly full; processes that share one are one."""
    found = []
    for percent in (49, 50, 80):
        spools = replace(
            RECEIVER,
            state="spooling",
            spool_folder="/s",
            spool_events=1,
            spool_bytes=percent,
            spool_max_bytes=100,
        )
        found.append(judge(look(receivers=(spools, replace(spools, name="r2"))))["spooling"])
    assert [alarm.stage for alarm in found] == [0, 1, 2]
    assert [alarm.severity for alarm in found] == [Severity.WARNING, Severity.WARNING, Severity.ERROR]
    assert found[0].text.count("1 event,") == 1


def test_the_clock_starts_when_the_last_receiver_is_gone() -> None:
    """Where there was one; where there never was any, none is missed."""
    assert judge(look(receivers=()), look(MINUTE, receivers=())) == {}
    alarm = judge(look(), look(5 * SECOND, receivers=()), look(MINUTE, receivers=()))["giving-up"]
    assert alarm.since_ms == NOON_MS + 5 * SECOND
    assert "no receiver is running" in alarm.text
    assert judge(look(), look(5 * SECOND, receivers=()), look(MINUTE)) == {}
