"""Dead letters and their replay, over a real Redis: grouped, counted first, and then as it was asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from hookline.ledger import Attempt, Run
from hookline.replays import bulks

if TYPE_CHECKING:
    from conftest import Browser, Running, Stored


@pytest.fixture
async def group(stored: Stored) -> str:
    """A group of three dead letters of one action; and another dead letter, that could not be read."""
    for number in range(3):
        event_id = await stored.receive(ago_ms=1000 * number)
        bad = Run("p.bad", "dead", [Attempt(1, 1, f"ValueError: no item {number}")])
        stored.read(event_id, "misskey.mention", bad, Run("p.good", "done", [Attempt(1, 1)]), state="dead")
    stored.refuse(await stored.receive(b"{"), "the body is not readable as JSON")
    groups = [key.decode() for key in stored.store.redis.hkeys("hookline:failures")]
    return next(each for each in groups if stored.store.redis.zcard(f"hookline:failure:{each}") == 3)


async def test_they_are_grouped_by_action_and_error(browser: Browser, group: str) -> None:
    """The largest group first; what could not be read is a group, too."""
    page = (await browser.get("/dead")).text
    groups = re.findall(r'<b class="number">(\d+)</b>.*?<bdi>(.*?)</bdi>.*?<bdi>(.*?)</bdi>', page, re.DOTALL)
    assert groups == [
        ("3", "p.bad", "ValueError: no item #"),
        ("1", "cannot be read", "the body is not readable as JSON"),
    ]
    assert f'href="/dead/{group}"' in page


async def test_a_group_shows_its_events(browser: Browser, group: str) -> None:
    """And how many would be replayed."""
    page = (await browser.get(f"/dead/{group}")).text
    assert len(re.findall("data-row=", page)) == 3
    assert "Replay these 3…" in page


async def test_what_would_be_replayed_is_counted_first(
    browser: Browser, console: Running, group: str
) -> None:
    """Looking at it changes nothing."""
    page = (await browser.get(f"/dead/{group}/replay")).text
    assert "Replay 3 events?" in page
    assert "Nothing has been changed yet" in page
    assert bulks(console.store) == []


@pytest.mark.parametrize(
    ("form", "action", "rate"),
    [
        ({"only": "yes", "per_second": "20"}, "p.bad", 20.0),
        ({"only": "", "per_second": ""}, "", None),
        ({}, "", None),
    ],
)
async def test_a_replay_is_as_it_was_asked_for(
    browser: Browser, console: Running, group: str, form: dict[str, str], action: str, rate: float | None
) -> None:
    """All of the group and nothing else; then its page tells how far it is."""
    answer = await browser.post(f"/dead/{group}/replay", form)
    (bulk,) = bulks(console.store)
    assert (answer.status, answer.headers["Location"]) == (303, f"/replays/{bulk.id}")
    assert (bulk.action, bulk.per_second, bulk.total, bulk.state) == (action, rate, 3, "running")
    page = (await browser.get(f"/replays/{bulk.id}")).text
    assert "The replay has begun." in page
    assert "0 of 3 put back to run" in page
    assert "dead letters of p.bad: ValueError: no item #" in page


@pytest.mark.parametrize("rate", ["0", "-1", "nan", "inf", "many"])
async def test_a_rate_that_is_none_is_refused(
    browser: Browser, console: Running, group: str, rate: str
) -> None:
    """And nothing is replayed."""
    answer = await browser.post(f"/dead/{group}/replay", {"per_second": rate})
    assert answer.status == 400
    assert "no number of events a second" in answer.text
    assert bulks(console.store) == []


async def test_without_its_token_a_form_does_nothing(browser: Browser, console: Running, group: str) -> None:
    """It may be somebody else's."""
    assert (await browser.post(f"/dead/{group}/replay", {"csrf": "0" * 64})).status == 403
    assert bulks(console.store) == []


async def test_a_replay_can_be_steered(browser: Browser, console: Running, group: str) -> None:
    """Paused, gone on with, cancelled; what makes no sense is said and changes nothing."""
    await browser.post(f"/dead/{group}/replay")
    (bulk,) = bulks(console.store)
    for step, state, says in (
        ("resume", "running", "Nothing was changed: it is not paused."),
        ("pause", "paused", "The replay is paused"),
        ("resume", "running", "The replay goes on."),
        ("cancel", "cancelled", "The replay is cancelled"),
        ("pause", "cancelled", "Nothing was changed: it is not running."),
        ("cancel", "cancelled", "Nothing was changed: it is over."),
    ):
        answer = await browser.post(f"/replays/{bulk.id}/{step}")
        assert answer.headers["Location"] == f"/replays/{bulk.id}"
        assert bulks(console.store)[0].state == state
        assert says in (await browser.get(f"/replays/{bulk.id}")).text
    page = (await browser.get("/replays")).text
    assert "cancelled" in page
    assert "3 left as they were" in page
    assert f"/replays/{bulk.id}/pause" not in page


async def test_where_there_is_nothing_the_pages_say_so(browser: Browser) -> None:
    """And what is gone is not found."""
    assert "Every run has succeeded" in (await browser.get("/dead")).text
    assert "None so far" in (await browser.get("/replays")).text
    for path in ("/dead/0011223344556677", "/dead/0011223344556677/replay", "/replays/00ff"):
        assert (await browser.get(path)).status == 404
    assert (await browser.post("/dead/0011223344556677/replay")).status == 404


@pytest.mark.parametrize("path", ["/dead/live", "/replays/live"])
async def test_what_changes_is_told_to_whoever_watches(
    browser: Browser, stored: Stored, group: str, path: str
) -> None:
    """The part of the page that the list is."""
    part = {"/dead/live": "groups", "/replays/live": "replays"}[path]
    async with browser.client.get(browser.url + path) as answer:
        await _next(answer, f'{{"{part}":')
        await browser.post(f"/dead/{group}/replay")
        stored.refuse(await stored.receive(b"["), "the body is not readable at all")
        await _next(answer, "not readable at all" if part == "groups" else "0 of 3 put back")


async def _next(answer: object, wanted: str) -> None:
    """Wait for a line that has this."""
    async for line in answer.content:  # type: ignore[attr-defined]
        if wanted in line.decode().replace('": "', '":"').replace(": {", ":{"):
            return
    pytest.fail(f"the stream ended without {wanted!r}")
