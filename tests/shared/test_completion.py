"""What a shell completes: names that there are, and nothing at all, quietly, where Redis is away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from hookline.cli import app
from hookline.index import Filter
from hookline.lanes import action_lane
from hookline.replays import ask
from hookline.store import Store

if TYPE_CHECKING:
    from redis import Redis

Stored = Callable[..., list[str]]
Complete = Callable[[str], list[str]]

SETTINGS = """
[sources.misskey]
provider = "misskey"
unverified = true
"""


@pytest.fixture
def complete(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """What bash is given for what was typed until Tab."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hookline.toml").write_text(SETTINGS)
    monkeypatch.setenv("HOOKLINE_REDIS__URL", redis_url)
    return completed


def completed(typed: str) -> list[str]:
    """What the shell's function asks for, and is answered; nothing may be said beside that."""
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_HOOKLINE_COMPLETE": "complete_bash"}
    result = CliRunner().invoke(app, env=asked, prog_name="hookline")
    assert (result.exit_code, result.stderr) == (0, "")
    return result.output.split()


def test_names_are_completed(complete: Complete, stored: Stored, store: Store) -> None:
    """Sources of the settings and of stored events, states, actions."""
    stored(1, "done", source="mirror")
    store.pause(action_lane("hello.greet"))
    store.redis.hset("hookline:counters", "runs:done:hello.thank", 1)
    assert complete("hookline events --source ") == ["mirror", "misskey"]
    assert complete("hookline purge --source mis") == ["misskey"]
    assert complete("hookline replay --state d") == ["done", "dead"]
    assert complete("hookline pause --action ") == ["hello.greet", "hello.thank"]
    assert complete("hookline resume --action hello.t") == ["hello.thank"]


def test_ids_are_completed(complete: Complete, stored: Stored, store: Store) -> None:
    """Of the latest events, and of the bulk replays that go on."""
    (first, second) = stored(2, "done")
    asked = ask(store, Filter())
    assert complete("hookline events show ") == [second, first]
    assert complete(f"hookline replay {second}") == [second]
    assert complete("hookline replays cancel ") == [asked.id]


def test_types_are_completed(complete: Complete, store: Store) -> None:
    """Those of stored events."""
    store.redis.sadd("hookline:index", "misskey/misskey.note", "misskey/", "team/esa.post_create")
    assert complete("hookline events --type ") == ["esa.post_create", "misskey.note"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOOKLINE_REDIS__URL", "redis://127.0.0.1:1/0"),
        ("HOOKLINE_REDIS__URL", "nonsense"),
        ("HOOKLINE_CONFIG", "/nowhere.toml"),
    ],
    ids=["redis away", "wrong settings", "no settings"],
)
def test_nothing_is_said_where_nothing_can_be_known(
    name: str, value: str, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person at a prompt wants no traceback there; what needs no Redis is completed all the same."""
    monkeypatch.setenv(name, value)
    for typed in ("events --source ", "events show ", "replays pause ", "pause --action "):
        assert complete(f"hookline {typed}") == []
    assert complete("hookline replay --state dea") == ["dead"]
