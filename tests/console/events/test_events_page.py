"""The list of events, over a real Redis: what it shows, how it is searched, and what comes live."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from hookline.ledger import Attempt, Run
from hookline_console.events import PAGE_EVENTS

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve, Stored

PATIENCE_SECONDS = 20.0


@pytest.fixture
async def console(serve: Serve) -> Running:
    """A console that looks all the time, so that nothing has to be waited for."""
    running: Running = await serve(options={"look_seconds": 0.01})
    return running


def ids(page: str) -> list[str]:
    """The ids of the rows, in their order."""
    return re.findall(r'data-row="([0-9a-f]{24})"', page)


@asynccontextmanager
async def watching(browser: Browser, query: str) -> AsyncIterator[AsyncIterator[Any]]:
    """What is told of rows while somebody watches the list of this query; the first message has come."""

    async def told() -> AsyncIterator[Any]:
        name = ""
        async for line in answer.content:
            if line.startswith(b"event: "):
                name = line.decode().removeprefix("event: ").strip()
            elif line.startswith(b"data: "):
                yield name, json.loads(line.removeprefix(b"data: "))

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        browser.client.get(f"{browser.url}/events/live?{query}") as answer,
    ):
        assert answer.status == 200
        messages = told()
        assert await anext(messages) == ("parts", {})
        yield messages


async def rows(messages: AsyncIterator[Any]) -> list[dict[str, Any]]:
    """The next rows that are told of."""
    async for name, data in messages:
        if name == "rows":
            changed: list[dict[str, Any]] = data
            return changed
    pytest.fail("the stream ended")


async def test_rows_say_what_became_of_events(browser: Browser, stored: Stored) -> None:
    """The newest first: state, type, source, what the runs did, and how often it came."""
    first = await stored.receive(key="k", ago_ms=5_000)
    await stored.receive(key="k")
    last = await stored.receive(source="team", provider="esa")
    good = Run("p.good", "done", [Attempt(1, 7)])
    bad = Run("p.bad", "dead", [Attempt(1, 1, "E: 1"), Attempt(2, 1, "E: 2")])
    stored.read(first, "misskey.mention", good, bad, state="dead")
    page = (await browser.get("/events")).text
    assert ids(page) == [last, first]
    row = page[page.index(f'data-row="{first}"') :]
    said = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row[: row.index("</li>")]))
    for words in (
        "dead",
        "misskey.mention",
        "p.bad failed 2×",
        "p.good 7 ms",
        "sent again 1×",
        "E: 2",
        "ago",
    ):
        assert words in said
    assert said.index("p.bad") < said.index("p.good")
    assert f'href="/events/{first}"' in page


async def test_a_query_narrows_it_and_stays_in_the_form(browser: Browser, stored: Stored) -> None:
    """Every field is part of the address, and is found again in the page."""
    dead = await stored.receive(b'{"type":"mention","body":{"needle":1}}')
    stored.read(dead, "misskey.mention", Run("p.x", "dead", [Attempt(1, 1, "E")]), state="dead")
    other = await stored.receive(source="team", provider="esa")
    for query in (
        "source=misskey",
        "type=misskey.*",
        "state=dead",
        "action=p.x",
        "text=needle",
        f"id={dead}",
        "source=misskey&type=misskey.mention&state=dead&since=1h",
    ):
        page = (await browser.get(f"/events?{query}")).text
        assert ids(page) == [dead], query
    assert ids((await browser.get("/events?since=1h")).text) == [other, dead]
    page = (await browser.get("/events?type=misskey.%2A&since=2h&text=%22%3Cb%3E")).text
    assert 'value="misskey.*"' in page
    assert 'value="2h"' in page
    assert "&#34;&lt;b&gt;" in page
    assert re.search(r"<details[^>]* open", page)


async def test_an_id_in_the_search_leads_to_the_event(browser: Browser, stored: Stored) -> None:
    """Where one searches for a text; one of which nothing is stored is looked for as text."""
    event_id = await stored.receive()
    page = await browser.get(f"/events?text={event_id}")
    assert (page.status, page.headers["Location"]) == (303, f"/events/{event_id}")
    assert (await browser.get(f"/events?text={'0' * 24}")).status == 200


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state=asleep", "there are queued, running, retrying, paused, done, dead"),
        ("since=yesterday", "is not a moment; write it as"),
        ("cursor=x", "is no place to go on from"),
    ],
)
async def test_what_cannot_be_understood_is_said(browser: Browser, query: str, says: str) -> None:
    """With the way out."""
    assert says in (await browser.get(f"/events?{query}")).text


async def test_pages_follow_one_another(browser: Browser, stored: Stored) -> None:
    """Each event once; the last page says that it is."""
    stored_ids = [await stored.receive() for _ in range(PAGE_EVENTS + 3)]
    first = (await browser.get("/events?source=misskey")).text
    older = re.search(r'data-older href="([^"]+)"', first)
    assert older
    second = (await browser.get(older[1].replace("&amp;", "&"))).text
    assert sorted(ids(first) + ids(second)) == sorted(stored_ids)
    assert "There are no older ones" in second
    assert "data-stream" in first
    assert "data-stream" not in second


async def test_a_search_that_ran_out_of_time_says_how_far_it_looked(
    browser: Browser, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a link that goes on, which its script follows by itself; what that gives is more rows."""
    found = await stored.receive(b'{"needle":1}', ago_ms=60_000)
    for _ in range(3):
        await stored.receive(b'{"hay":1}')
    monkeypatch.setattr("hookline.walk.LOOKS", 2)
    monkeypatch.setattr("hookline_console.events.SEARCH_SECONDS", 0.0)
    page = (await browser.get("/events?text=needle")).text
    assert ids(page) == []
    assert "Looked through 2 events, back to" in page
    assert "No event is like that" not in page
    goes_on = re.search(r'data-goes-on="([^"]+)"', page)
    assert goes_on
    async with browser.client.get(browser.url + goes_on[1].replace("&amp;", "&")) as answer:
        more = await answer.json()
    assert ids(more["rows"]) == [found]
    assert more["found"] == 1


async def test_an_empty_list_helps(browser: Browser, stored: Stored) -> None:
    """One that is empty yet says how to begin; one in which nothing is found, what may have been meant."""
    assert "hookline send" in (await browser.get("/events")).text
    stored.read(await stored.receive(), "misskey.mention", state="done")
    page = (await browser.get("/events?type=misskey.mentoin")).text
    assert 'href="/events?type=misskey.mention"' in page


async def test_new_events_come_live(browser: Browser, stored: Stored) -> None:
    """As rows like those of the page, and again when they change."""
    async with watching(browser, "") as messages:
        event_id = await stored.receive()
        (row,) = await rows(messages)
        assert (row["id"], row["fits"]) == (event_id, True)
        assert ids(row["html"]) == [event_id]
        assert "not read yet" in row["html"]
        stored.read(event_id, "misskey.mention", Run("p.x", "done", [Attempt(1, 7)]), state="done")
        while "p.x" not in row["html"]:
            (row,) = await rows(messages)
        assert 'data-state="done"' in row["html"]


async def test_only_what_is_asked_for_comes_live(browser: Browser, stored: Stored) -> None:
    """By source and text, as in the list."""
    async with watching(browser, "source=team&text=needle") as messages:
        await stored.receive(b'{"needle":1}')
        await stored.receive(b"{}", source="team")
        wanted = await stored.receive(b'{"needle":1}', source="team")
        assert [row["id"] for row in await rows(messages)] == [wanted]


async def test_a_row_that_no_longer_fits_is_told_of(browser: Browser, stored: Stored) -> None:
    """It changes where it is shown, and would not be added."""
    event_id = await stored.receive(ago_ms=60_000)
    async with watching(browser, "state=queued") as messages:
        stored.read(event_id, "misskey.mention", state="done")
        changed = await rows(messages)
        while not any('data-state="done"' in row["html"] for row in changed):
            changed = await rows(messages)
        (row,) = changed
        assert (row["id"], row["fits"]) == (event_id, False)


async def test_a_page_is_watched_from_its_oldest_open_event_on(browser: Browser, stored: Stored) -> None:
    """What is under way in it will change."""
    event_id = await stored.receive(ago_ms=60_000)
    stored.read(await stored.receive(), "misskey.mention", state="done")
    stream = re.search(r'data-stream="[^"]*from_ms=(\d+)"', (await browser.get("/events")).text)
    assert stream
    assert int(stream[1]) == int(event_id[:12], 16)


@pytest.mark.parametrize("given", ["x", "-1", "9" * 400, ""])
async def test_whatever_it_is_to_be_watched_from(browser: Browser, given: str) -> None:
    """What is no time is now."""
    async with watching(browser, f"from_ms={given}"):
        pass
