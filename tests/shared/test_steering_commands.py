"""What an operator steers with, where nobody is to be asked: replay, replays, pause, resume, purge."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from hookline.cli import app
from hookline.cli.replay import MANY
from hookline.index import Filter
from hookline.keys import EVENT_PREFIX, OPEN_KEY
from hookline.replays import ask, bulks
from hookline.store import Store

if TYPE_CHECKING:
    from redis import Redis

Stored = Callable[..., list[str]]
Run = Callable[..., Result]

SETTINGS = """
[sources.misskey]
provider = "misskey"
unverified = true

[sources.team]
provider = "esa"
unverified = true
"""
PLUGIN = """
from hookline import action

@action("misskey.*")
def greet(event):
    pass
"""


@pytest.fixture
def run(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the test's Redis, in a folder with settings and a plugin."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text(SETTINGS)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hello.py").write_text(PLUGIN)
    monkeypatch.setenv("HOOKLINE_REDIS__URL", redis_url)
    return lambda *arguments: CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})


def everything(redis: Redis) -> dict[bytes, bytes | None]:
    """All that is in Redis, to be compared."""
    return {key: redis.dump(key) for key in redis.scan_iter()}


def problem(result: Result) -> str:
    """What the command line would say in red."""
    assert result.exception
    return str(result.exception)


def test_a_dry_run_of_a_replay_counts_and_changes_nothing(run: Run, stored: Stored, redis: Redis) -> None:
    """It shows some of the events, and how many there are in all."""
    dead = stored(25, "dead")
    stored(3, "queued")
    before = everything(redis)
    told = run("replay", "--since", "1h", "--dry-run")
    assert told.exit_code == 0
    assert dead[-1] in told.output
    assert dead[0] not in told.output
    assert "would replay 25 events, 5 more than shown; nothing was changed" in told.output
    assert "left alone: 3 events not finished yet" in told.output
    assert everything(redis) == before


def test_a_replay_by_filter_is_a_bulk_replay(run: Run, stored: Stored, store: Store) -> None:
    """Where nobody is to be asked it begins at once, and says under which id it goes on."""
    stored(MANY + 1, "done")
    told = run("replay", "--state", "done", "--per-second", "7.5", "--action", "hello.greet")
    assert told.output == "replaying 0 events\n"  # the action has run on none of them
    told = run("replay", "--state", "done", "--per-second", "7.5")
    newest = bulks(store)[0]
    assert told.output == f"replaying {MANY + 1} events as {newest.id}\n"
    assert (newest.state, newest.total, newest.per_second) == ("running", MANY + 1, 7.5)
    assert newest.wanted["state"] == "done"
    assert store.redis.scard(OPEN_KEY) == 0  # it is the workers that put them back


@pytest.mark.parametrize(
    ("command", "told"), [("replay", "replaying 1 event as"), ("purge", "purged 1 event")]
)
def test_a_text_in_the_body_says_which_are_meant(
    run: Run, stored: Stored, store: Store, command: str, told: str
) -> None:
    """As in the list of events; an empty one is no filter, and so nothing is done."""
    event_id, *_ = stored(3, "done")
    store.redis.hset(EVENT_PREFIX + event_id, "body", '{"text":"the needle"}')
    assert f"say what to {command}" in problem(run(command, "--text", "", "--yes"))
    assert run(command, "--text", "Needle", "--yes").output.startswith(told)
    if command == "replay":
        assert bulks(store)[0].wanted["text"] == "Needle"
    else:
        assert event_id not in store.event_ids()
        assert len(store.event_ids()) == 2


def test_events_that_are_named_are_put_back_at_once(run: Run, stored: Stored, store: Store) -> None:
    """Up to a hundred; more of them, or with a rate, are a bulk replay."""
    ids = stored(MANY + 1, "dead")
    assert run("replay", *ids[:2], ids[0]).output == "replaying 2 events\n"
    assert store.redis.scard(OPEN_KEY) == 2
    assert run("replay", ids[2], "--per-second", "1").output.startswith("replaying 1 event as ")
    assert run("replay", *ids, "--yes").output.startswith(f"replaying {MANY - 1} events as ")
    assert [each.total for each in bulks(store)] == [MANY - 1, 1]


def test_what_a_replay_cannot_mean_is_refused(run: Run, stored: Stored, redis: Redis) -> None:
    """With the way out, and before anything is changed."""
    (event_id,) = stored(1, "done")
    before = everything(redis)
    assert "say what to replay" in problem(run("replay"))
    assert "not both" in problem(run("replay", event_id, "--state", "done"))
    assert "there is no event 'x'" in problem(run("replay", event_id, "x"))
    assert "0.0 events a second is no rate" in problem(run("replay", event_id, "--per-second", "0"))
    assert everything(redis) == before


def test_bulk_replays_are_listed(run: Run, stored: Stored, store: Store) -> None:
    """For people with what was asked for, and as JSON."""
    assert "no bulk replays" in run("replays").output
    stored(2, "dead")
    asked = ask(store, Filter(state="dead", source="misskey"), action="p.x", per_second=2)
    line = run("replays").output.splitlines()[-1]
    wanted = "dead, source misskey; only p.x; 2 a second"
    assert all(word in line for word in (asked.id, "running", "0/2", wanted))
    (row,) = [json.loads(each) for each in run("replays", "--json").output.splitlines()]
    assert (row["id"], row["state"], row["total"], row["action"]) == (asked.id, "running", 2, "p.x")
    assert row["wanted"] == {"state": "dead", "source": "misskey"}


def test_a_bulk_replay_is_steered_by_its_id(run: Run, stored: Stored, store: Store) -> None:
    """Each command says how far it is; one that makes no sense says why."""
    stored(2, "dead")
    asked = ask(store, Filter())
    assert run("replays", "pause", asked.id).output.startswith(f"{asked.id} rests")
    assert f"{asked.id} is paused, so there is nothing to pause" in problem(run("replays", "pause", asked.id))
    assert "0 of 2 events" in run("replays", "resume", asked.id).output
    assert run("replays", "cancel", asked.id).output.startswith(f"{asked.id} is cancelled")
    assert "is cancelled, so there is nothing to resume" in problem(run("replays", "resume", asked.id))
    assert "there is no bulk replay 'x'" in problem(run("replays", "cancel", "x"))


def test_a_source_is_paused_listed_and_resumed(run: Run, store: Store) -> None:
    """One of the settings need not have sent anything yet."""
    assert "nothing is paused" in run("pause").output
    told = run("pause", "--source", "team")
    assert told.output == "source team is paused: its events wait until `hookline resume --source team`\n"
    assert list(store.paused()) == ["team"]
    assert "source team is paused already, since " in run("pause", "--source", "team").output
    assert "team" in run("resume").output
    assert run("resume", "--source", "team").output == "source team goes on\n"
    assert store.paused() == {}


def test_an_action_is_paused_listed_and_resumed(run: Run, store: Store) -> None:
    """One that a plugin here declares need not have run yet."""
    assert run("pause", "--action", "hello.greet").exit_code == 0
    assert run("pause", "--source", "misskey").exit_code == 0
    rows = [json.loads(line) for line in run("pause", "--json").output.splitlines()]
    assert [(row["kind"], row["name"]) for row in rows] == [("action", "hello.greet"), ("source", "misskey")]
    assert rows[0]["since_ms"] == store.paused()["@hello.greet"]
    assert run("resume", "--action", "hello.greet").output == "action hello.greet goes on\n"
    not_paused = "action hello.greet is not paused; paused: source misskey"
    assert problem(run("resume", "--action", "hello.greet")) == not_paused


def test_what_nobody_knows_is_not_paused(run: Run, stored: Stored, store: Store) -> None:
    """A slip of the hand would leave running what was meant; a source of stored events alone is known."""
    stored(1, "done", source="gone-from-the-settings")
    assert run("pause", "--source", "gone-from-the-settings").exit_code == 0
    assert "no source 'miskey'; did you mean 'misskey'?" in problem(run("pause", "--source", "miskey"))
    assert "no action 'hello.gret'; did you mean 'hello.greet'?" in problem(
        run("pause", "--action", "hello.gret")
    )
    assert "there are gone-from-the-settings, misskey, team" in problem(run("pause", "--source", "x"))
    assert "not both" in problem(run("pause", "--source", "team", "--action", "hello.greet"))
    assert list(store.paused()) == ["gone-from-the-settings"]


def test_a_dry_run_of_a_purge_removes_nothing(run: Run, stored: Stored, redis: Redis) -> None:
    """It says how many would go, and shows some."""
    (event_id, *_) = stored(3, "done")
    stored(2, "queued")
    before = everything(redis)
    told = run("purge", "--source", "misskey", "--dry-run").output
    assert event_id in told
    assert "would purge 3 events; nothing was changed" in told
    assert everything(redis) == before


def test_what_is_purged_is_gone_and_the_rest_stays(run: Run, stored: Stored, store: Store) -> None:
    """By state, source and time of receipt; never what isn't finished."""
    old = stored(3, "done", at_ms=1_000_000)
    dead, queued = stored(2, "dead"), stored(1, "queued")
    elsewhere = stored(1, "done", source="team")
    assert run("purge", "--before", "1d", "--yes").output == "purged 3 events\n"
    assert store.event_ids() == [*dead, *queued, *elsewhere]
    assert not any(store.fields(each) for each in old)
    assert run("purge", "--source", "misskey", "--state", "dead", "--yes").output == "purged 2 events\n"
    assert run("purge", "--source", "misskey", "--yes").output == "purged 0 events\n"
    assert store.event_ids() == [*queued, *elsewhere]


def test_nothing_is_purged_without_being_asked_for(run: Run, stored: Stored, redis: Redis) -> None:
    """Without a filter, or with nobody there to say yes."""
    stored(1, "done")
    before = everything(redis)
    assert "say what to purge" in problem(run("purge", "--yes"))
    assert "give --yes" in problem(run("purge", "--state", "done"))
    assert run("purge", "--state", "queued", "--yes").exit_code == 2
    assert everything(redis) == before


@pytest.mark.parametrize("command", ["replay", "purge"])
def test_a_dry_run_says_as_json_how_many(run: Run, stored: Stored, redis: Redis, command: str) -> None:
    """For a program; which they are, `hookline events --json` tells."""
    stored(3, "done")
    stored(2, "queued")
    before = everything(redis)
    told = json.loads(run(command, "--since", "1h", "--dry-run", "--json").output)
    assert told == {"would": command, "events": 3, "left_alone": 2}
    assert everything(redis) == before
