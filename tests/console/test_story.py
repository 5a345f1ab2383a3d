"""One event's story: what its page says is what is stored."""

from __future__ import annotations

import json

from hookline.ledger import Attempt, Run
from hookline_console.story import story
from hookline_console.timeline import Moment

AT = 1_790_000_000_000


def fields(**more: str | int) -> dict[str, bytes]:
    """The fields of an event, as the store gives them."""
    named = {
        "source": "misskey",
        "provider": "misskey",
        "received_at": AT,
        "headers": json.dumps([["X-A", "1"], ["Authorization", "***"]]),
        "body": "{}",
        "state": "queued",
        **more,
    }
    return {name: str(value).encode() for name, value in named.items()}


def run(state: str, *attempts: Attempt, due: int | None = None) -> str:
    """A run as the ledger keeps it."""
    return Run("", state, list(attempts), due).to_json()  # type: ignore[arg-type]


def kinds(moments: list[Moment]) -> list[tuple[int, str, str, int]]:
    """Each moment by when after the receipt, what, of which action, and its number."""
    return [(each.at_ms - AT, each.kind, each.action, each.number) for each in moments]


def test_an_event_that_nobody_has_read_has_a_story_too() -> None:
    """It came."""
    told = story("e", fields())
    assert (told.type, told.state, told.runs, told.is_finished) == ("", "queued", [], False)
    assert kinds(told.moments) == [(0, "received", "", 0)]
    assert [(each.name, each.is_struck_out) for each in told.headers] == [
        ("X-A", False),
        ("Authorization", True),
    ]


def test_moments_are_in_the_order_of_time() -> None:
    """Attempts of several actions, the sender's repeats, the end; what is to come is last."""
    failed = Attempt(AT + 10, 5, "ValueError: x", "Traceback …")
    told = story(
        "e",
        fields(
            state="retrying",
            type="misskey.note",
            repeats=2,
            repeated_at=AT + 20,
            **{
                "run:p.slow": run("retrying", failed, Attempt(AT + 30, 7, "ValueError: y"), due=AT + 90),
                "run:p.quick": run("done", Attempt(AT + 11, 1)),
            },
        ),
    )
    assert kinds(told.moments) == [
        (0, "received", "", 0),
        (10, "attempt", "p.slow", 1),
        (11, "attempt", "p.quick", 1),
        (20, "repeat", "", 2),
        (30, "attempt", "p.slow", 2),
        (90, "due", "p.slow", 3),
    ]
    assert (told.moments[1].error, told.moments[1].traceback) == ("ValueError: x", "Traceback …")
    assert [each.outcome for each in told.moments] == ["", "failed", "ok", "", "failed", ""]
    slow = told.runs[1]
    assert (slow.action, slow.state, slow.attempts, slow.total_ms, slow.error, slow.due_at_ms) == (
        "p.slow",
        "retrying",
        2,
        12,
        "ValueError: y",
        AT + 90,
    )


def test_what_ran_before_a_replay_comes_before_it() -> None:
    """Of a replay that is not the last, only the first attempt after it tells when it was."""
    told = story(
        "e",
        fields(
            state="done",
            replays=2,
            replayed_at=AT + 200,
            finished_at=AT + 220,
            only="p.x",
            **{
                "past:1:p.x": run("dead", Attempt(AT + 10, 1, "E: 1")),
                "past:2:p.x": run("dead", Attempt(AT + 110, 1, "E: 2")),
                "run:p.x": run("done", Attempt(AT + 210, 1)),
            },
        ),
    )
    assert kinds(told.moments) == [
        (0, "received", "", 0),
        (10, "attempt", "p.x", 1),
        (110, "replay", "", 1),
        (110, "attempt", "p.x", 1),
        (200, "replay", "", 2),
        (210, "attempt", "p.x", 1),
        (220, "done", "", 0),
    ]
    assert [each.is_about for each in told.moments if each.kind == "replay"] == [True, False]
    assert (told.only, told.actions) == ("p.x", ["p.x"])


def test_an_attempt_that_is_under_way_is_no_success() -> None:
    """It has no end yet."""
    told = story("e", fields(state="running", **{"run:p.x": run("running", Attempt(AT + 1))}))
    assert told.moments[-1].outcome == "running"


def test_an_attempt_of_a_machine_whose_clock_is_behind_comes_after_the_receipt() -> None:
    """Nothing happens to an event before it is there."""
    told = story("e", fields(state="done", **{"run:p.x": run("done", Attempt(AT - 5, 1))}))
    assert [each.kind for each in told.moments] == ["received", "attempt"]


def test_a_dead_letter_that_could_not_be_read_says_why() -> None:
    """Also in the moment in which it died."""
    told = story("e", fields(state="dead", finished_at=AT + 3, error="type: is missing", failures="ab cd"))
    assert (told.error, told.failures, told.is_finished) == ("type: is missing", ["ab", "cd"], True)
    assert told.moments[-1] == Moment(AT + 3, "dead", error="type: is missing")


def test_the_trace_is_named_by_its_id() -> None:
    """The second part of what W3C calls a traceparent; anything else is none."""
    assert story("e", fields(trace=f"00-{'ab' * 16}-{'cd' * 8}-01")).trace == "ab" * 16
    assert story("e", fields(trace="x")).trace == ""
