"""The replay of what a query finds, over a real Redis: counted first, and then just what was counted."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import pytest

from hookline.ledger import Attempt, Run
from hookline.moments import moment_ms
from hookline.operations import now_ms
from hookline.replays import bulks
from hookline.walk import LOOKS
from hookline_console import events_replay

if TYPE_CHECKING:
    from conftest import Browser, Page, Running, Stored

NEEDLE = b'{"type":"mention","body":{"text":"the needle <b>"}}'
HOUR_MS = 3_600_000


def frozen(page: Page) -> str:
    """The query that the page's form sends."""
    found = re.search(r'name="query" value="([^"]*)"', page.text)
    assert found, page.text
    return html.unescape(found[1])


def said(page: Page) -> str:
    """What a person reads."""
    main = page.text[page.text.index("<main") :]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


def written_down(console: Running | Stored) -> list[str]:
    """The ids of the one bulk replay that there is."""
    (bulk,) = bulks(console.store)
    return sorted(
        each.decode() for each in console.store.redis.lrange(f"hookline:replay:{bulk.id}:ids", 0, -1)
    )


async def finished(stored: Stored, *, action: str = "p.x", **given: object) -> str:
    """An event on which this action has run."""
    event_id = await stored.receive(**given)  # type: ignore[arg-type]
    stored.read(event_id, "misskey.mention", Run(action, "done", [Attempt(1, 1)]), state="done")
    return event_id


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("source=misskey", True),
        ("source=misskey&cursor=" + "f" * 24, True),
        ("", False),
        ("cursor=" + "f" * 24, False),
        ("source=misskey&since=soon", False),
        ("source=misskey&state=asleep", False),
        ("type=nothing", False),
    ],
)
async def test_a_list_leads_to_its_replay(
    browser: Browser, stored: Stored, query: str, is_there: bool
) -> None:
    """Where something is asked for, rightly, and found: all that is stored is not one click away."""
    await finished(stored)
    page = await browser.get(f"/events?{query}")
    assert ("Replay these…" in page.text) is is_there
    assert ('href="/events/replay?source=misskey"' in page.text) is is_there


async def test_what_would_be_replayed_is_counted_first(
    browser: Browser, console: Running, stored: Stored
) -> None:
    """In words, what is asked for, how many are finished and how many are not. Nothing is changed."""
    for number in range(3):
        await finished(stored, ago_ms=1000 * number)
    await finished(stored, source="team", provider="esa")
    await stored.receive()
    before = {key: console.store.redis.dump(key) for key in console.store.redis.keys("hookline:event*")}
    page = await browser.get("/events/replay?source=misskey&type=misskey.*&since=2026-01-01T00:00Z")
    assert "Replay 3 events?" in said(page)
    assert "source misskey, type misskey.*, since 2026-01-01 00:00:00 UTC, until 20" in said(page)
    assert "Nothing has been changed yet" in said(page)
    assert "Left alone: " not in said(page)  # of that type is none until a worker has read it
    assert "Replay these 3" in said(page)
    assert "Left alone: 1 event not finished yet" in said(await browser.get("/events/replay?source=misskey"))
    assert {key: console.store.redis.dump(key) for key in before} == before
    assert bulks(console.store) == []


@pytest.mark.parametrize("state", ["dead", "queued"])
async def test_nothing_found_is_said_and_has_no_button(browser: Browser, stored: Stored, state: str) -> None:
    """Likewise where all that is found is not finished."""
    await stored.receive()
    page = await browser.get(f"/events/replay?state={state}")
    assert "Nothing to replay" in said(page)
    assert "No finished event is like that" in said(page)
    assert ("Left alone: 1 event not finished yet" in said(page)) is (state == "queued")
    assert 'name="query"' not in page.text


async def test_counting_ends_in_time_and_says_so(
    browser: Browser, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, and also where none of those looked at is meant."""
    monkeypatch.setattr(events_replay, "COUNT_SECONDS", 0)
    old = await finished(stored, body=NEEDLE, ago_ms=HOUR_MS)
    for _ in range(LOOKS - 1):
        await stored.receive()
    await finished(stored)
    page = await browser.get("/events/replay?source=misskey")
    assert "Replay at least 1 event?" in said(page)
    assert f"Left alone: at least {LOOKS - 1} events not finished yet" in said(page)
    page = await browser.get("/events/replay?text=needle")
    assert "Replay what is found?" in said(page)
    assert "of those looked at none is like that and finished" in said(page)
    await browser.post("/events/replay", {"query": frozen(page)})
    assert written_down(stored) == [old]


async def test_just_what_was_counted_is_replayed(browser: Browser, console: Running, stored: Stored) -> None:
    """Not what comes after the page was made, nor what was too old then."""
    counted = sorted([await finished(stored, ago_ms=ago_ms) for ago_ms in (1_000, HOUR_MS)])
    await finished(stored, ago_ms=3 * HOUR_MS)
    before_ms = now_ms()
    page = await browser.get("/events/replay?source=misskey&since=2h")
    assert "Replay 2 events?" in said(page)
    fields = dict(parse_qsl(frozen(page)))
    since_ms, until_ms = moment_ms(fields["since"]), moment_ms(fields["until"])
    assert since_ms is not None
    assert until_ms is not None
    assert before_ms <= until_ms <= now_ms()
    assert before_ms <= since_ms + 2 * HOUR_MS <= until_ms
    while now_ms() == until_ms:
        pass
    await finished(stored)  # a later one
    answer = await browser.post("/events/replay", {"query": frozen(page)})
    (bulk,) = bulks(console.store)
    assert (answer.status, answer.headers["Location"]) == (303, f"/replays/{bulk.id}")
    assert written_down(console) == counted
    assert bulk.wanted == {"source": "misskey", "since_ms": since_ms, "until_ms": until_ms}
    assert (bulk.state, bulk.total, bulk.action, bulk.per_second) == ("running", 2, "", None)


async def test_an_end_in_the_future_is_now(browser: Browser, stored: Stored) -> None:
    """What comes until then could not be counted. A moment that no clock has is no mistake of ours."""
    await finished(stored)
    page = await browser.get("/events/replay?until=9999-12-31T23:59-12:00&since=9999999d")
    assert "Replay 1 event?" in said(page)
    fields = dict(parse_qsl(frozen(page)))
    assert (moment_ms(fields["until"]) or 0) <= now_ms()
    assert moment_ms(fields["since"]) == 0


@pytest.mark.parametrize(("only", "action"), [("yes", "p.x"), ("", "")])
async def test_one_action_alone_can_be_chosen(
    browser: Browser, console: Running, stored: Stored, only: str, action: str
) -> None:
    """Where the query names one; and the rate is that of the form."""
    event_id = await finished(stored)
    await finished(stored, action="p.other")
    page = await browser.get("/events/replay?action=p.x")
    assert "Only p.x ; its attempts start anew" in said(page)
    form = {"query": frozen(page), "only": only, "per_second": "2.5"}
    await browser.post("/events/replay", form)
    (bulk,) = bulks(console.store)
    assert (bulk.action, bulk.per_second) == (action, 2.5)
    assert written_down(console) == [event_id]


async def test_without_an_action_there_is_no_such_choice(
    browser: Browser, console: Running, stored: Stored
) -> None:
    """And none is made, whatever the form has."""
    await finished(stored)
    page = await browser.get("/events/replay?source=misskey")
    assert 'name="only"' not in page.text
    await browser.post("/events/replay", {"query": frozen(page), "only": "yes"})
    assert bulks(console.store)[0].action == ""


async def test_a_text_is_told_escaped(browser: Browser, console: Running, stored: Stored) -> None:
    """Before, and on the page of the replay."""
    event_id = await finished(stored, body=NEEDLE)
    await finished(stored)
    page = await browser.get("/events/replay?" + urlencode({"text": "Needle <b>"}))
    assert "<bdi>text Needle &lt;b&gt;, until 20" in page.text
    answer = await browser.post("/events/replay", {"query": frozen(page)})
    assert written_down(console) == [event_id]
    page = await browser.get(answer.headers["Location"])
    assert "The replay has begun." in page.text
    assert "<bdi>text Needle &lt;b&gt;, until 20" in page.text


async def test_a_text_of_two_lines_stays_as_it_was(
    browser: Browser, console: Running, stored: Stored
) -> None:
    """A browser sends other line ends than stand in a form's field."""
    event_id = await finished(stored, body=b"a\nb")
    await finished(stored, body=b"a\r\nb")
    page = await browser.get("/events/replay?text=a%0Ab")
    assert "text=a%0Ab" in frozen(page)
    await browser.post("/events/replay", {"query": frozen(page)})
    assert written_down(console) == [event_id]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("", "Say what to replay"),
        ("unknown=x", "Say what to replay"),
        ("source=misskey&since=soon", "'soon' is not a moment"),
        ("until=1e99&state=asleep", "'1e99' is not a moment"),
        ("state=asleep", "'asleep' is no state"),
        ("\x00%ff%", "Say what to replay"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_done(
    browser: Browser, console: Running, stored: Stored, query: str, says: str
) -> None:
    """Of the address as of the form, whoever made it."""
    await finished(stored)
    for answer in (
        await browser.get(f"/events/replay?{query}".replace("\x00", "%00")),
        await browser.post("/events/replay", {"query": query}),
    ):
        assert answer.status == 400
        assert says in html.unescape(answer.text)
    assert (await browser.post("/events/replay")).status == 400
    assert bulks(console.store) == []


async def test_a_rate_that_is_none_is_refused(browser: Browser, console: Running, stored: Stored) -> None:
    """As of a group of dead letters."""
    await finished(stored)
    answer = await browser.post("/events/replay", {"query": "state=done", "per_second": "many"})
    assert answer.status == 400
    assert "no number of events a second" in answer.text
    assert bulks(console.store) == []


async def test_strangers_and_forms_without_a_token_replay_nothing(
    browser: Browser, console: Running, stored: Stored
) -> None:
    """A stranger is sent to the login, and an old form is refused."""
    await finished(stored)
    form = {"query": "state=done", "csrf": "0" * 64}
    assert (await browser.send("POST", "/events/replay", form)).status == 403
    assert (await browser.send("POST", "/events/replay", {"query": "state=done"})).status == 403
    browser.client.cookie_jar.clear()
    for method in ("GET", "POST"):
        answer = await browser.send(method, "/events/replay?state=done", form if method == "POST" else None)
        assert (answer.status, answer.headers["Location"][:6]) == (303, "/login")
    assert bulks(console.store) == []
