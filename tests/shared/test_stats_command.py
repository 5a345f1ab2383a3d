"""`hookline stats`: the figures as a screen that fits a terminal, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from hookline.cli import app
from hookline.cli.stats_screen import screen
from hookline.figures import (
    ActionFigures,
    Figures,
    GroupFigures,
    ReceiverFigures,
    RedisFigures,
    SourceFigures,
    WorkerFigures,
)
from hookline.index import Filter
from hookline.replays import ask
from hookline.store import Store

Stored = Callable[..., list[str]]

AT_MS = 1_780_000_000_000
FULL = Figures(
    at_ms=AT_MS,
    sources={
        "misskey": SourceFigures(
            received=123_456_789,
            repeated=99_999,
            done=123_000_000,
            dead=99_999,
            open=456_789,
            dead_now=400,
            rejected={"signature": 99_999},
            last_at_ms=AT_MS - 400,
            oldest_waiting_ms=340_000,
        ),
        "team-docs-at-the-company": SourceFigures(open=110, paused_since_ms=AT_MS - 500_000),
    },
    actions={
        "mirror.write_the_post_to_git": ActionFigures(
            done=99_999, retrying=99_999, dead=213, buckets={5_000: 10, 10_000: 10, math.inf: 3}
        )
    },
    workers=(
        WorkerFigures(
            "w",
            "worker-7fdc9b6d5-abcde",
            1234567,
            "busy",
            AT_MS - 90_000_000,
            AT_MS,
            (GroupFigures(("a", "b"), AT_MS - 12_000), GroupFigures(("c",), None)),
        ),
    ),
    receivers=(
        ReceiverFigures("r", "vm", 1, AT_MS, "", "spooling", None, "/spool", 12_000, 30 * 2**20, 2**28),
    ),
    redis=RedisFigures(3.4, "7.2.4", "master", 123_456_789, 2**30, True, False, "always", True, 1),
)


def printed(figures: Figures, width: int = 80) -> list[str]:
    """The lines of the screen."""
    console = Console(width=width)
    with console.capture() as captured:
        console.print(screen(figures), highlight=False)
    return captured.get().splitlines()


def test_large_numbers_fit_eighty_columns() -> None:
    """No number, heading or unit is cut or broken; only long names go on in the next line."""
    lines = printed(FULL)
    whole = printed(FULL, width=200)
    assert max(map(len, lines)) <= 80
    for line in whole:
        for word in line.split()[2:]:
            assert any(word in each.split() for each in lines), word


def test_what_is_paused_or_wrong_is_said() -> None:
    """In words, not by a colour alone."""
    lines = printed(FULL, width=100)
    assert any("team-docs-at-the-company paused" in line for line in lines)
    assert "redis cannot write to its disk" in lines
    assert "no worker runs" in printed(Figures(at_ms=AT_MS))


def test_the_json_has_every_figure_and_the_sums(
    stored: Stored, store: Store, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bounds as text, since JSON has no other names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_REDIS__URL", redis_url)
    stored(3, "done")
    stored(2, "dead", source="team")
    stored(1, "queued")
    told = json.loads(CliRunner().invoke(app, ["stats", "--json"]).output)
    assert told["sources"]["misskey"]["received"] == 4
    assert (told["backlog"], told["dead_now"], told["stored"]) == (1, 2, 6)
    assert "inf" in told["commits"]["buckets"]


def test_bulk_replays_that_go_on_are_told(
    stored: Stored, store: Store, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are over are for `hookline replays`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOKLINE_REDIS__URL", redis_url)
    over = ask(store, Filter())
    stored(3, "done")
    going = ask(store, Filter())
    told = CliRunner().invoke(app, ["stats"]).output
    assert f"replay {going.id} running: 0 of 3 events (every event)" in told
    assert over.id not in told
