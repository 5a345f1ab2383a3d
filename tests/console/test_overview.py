"""The overview and the sources' pages: what they show of nothing, of much, and of text that means harm."""

from __future__ import annotations

import html
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from hookline.keys import (
    COUNTERS_KEY,
    DEAD_PREFIX,
    MINUTE_PREFIX,
    PAUSED_KEY,
    REJECTED_PREFIX,
    SECRETS_KEY,
)

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve

YEAR_MS = 365 * 24 * 3_600_000
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def now_ms() -> int:
    """The time."""
    return int(time.time() * 1000)


def count(console: Running, counts: dict[str, int], *, minutes_ago: int = 0) -> None:
    """Have this been counted in one minute, and in all."""
    key = f"{MINUTE_PREFIX}{now_ms() // 60_000 - minutes_ago}"
    for name, number in counts.items():
        console.store.redis.hincrby(key, name, number)
        console.store.redis.hincrby(COUNTERS_KEY, name, number)


def said(page: str) -> str:
    """The page as one reads it: its text, in one line."""
    body = page[page.index("<main") :].replace("<wbr>", "")  # where a long name may be broken
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def test_with_nothing_stored_every_page_says_what_to_do(browser: Browser) -> None:
    """The first thing that one sees must not be a failure."""
    overview = said((await browser.get("/")).text)
    assert "No receiver runs" in overview
    assert "hookline worker" in overview
    assert "No action has run yet" in overview
    assert "nothing came yet" in said((await browser.get("/sources")).text)
    one = said((await browser.get("/sources/misskey")).text)
    assert "Set receiver.public_url" in one
    assert "/hooks/misskey" in one


async def test_without_any_source_one_is_told_how_to_add_one(serve: Serve, browser_at: object) -> None:
    """There is nothing else to be seen."""
    browser = browser_at(await serve(sources={}))  # type: ignore[operator]
    await browser.log_in()
    assert "[sources.<name>]" in said((await browser.get("/sources")).text)
    assert "[sources.<name>]" in said((await browser.get("/")).text)


async def test_the_overview_shows_what_was_counted(browser: Browser, console: Running) -> None:
    """In the last minute, the last hour and the last day."""
    count(console, {"received:misskey": 7, "done:misskey": 5, "dead:misskey": 1}, minutes_ago=1)
    count(console, {"received:misskey": 20, "repeated:misskey": 3}, minutes_ago=30)
    count(console, {"received:misskey": 1000}, minutes_ago=600)
    console.store.redis.hset(COUNTERS_KEY, mapping={"open:misskey": 1022, "retrying:misskey": 2})
    console.store.redis.zadd(DEAD_PREFIX + "misskey", {"0" * 24: now_ms()})
    hour = said((await browser.get("/")).text)
    assert "Under way 1,022 1,020 ready , 2 to be retried" in hour
    assert "In 7 in the last minute 27 in the last hour" in hour
    assert "Finished 6 in the last minute" in hour
    assert "There is 1 dead letter" in hour
    assert "new 27 sent again 3" in hour
    assert "new 1,027" in said((await browser.get("/?hours=24")).text)


async def test_the_charts_are_told_in_words_and_as_a_table(browser: Browser, console: Running) -> None:
    """For who does not see them."""
    count(console, {"received:misskey": 20}, minutes_ago=30)
    page = (await browser.get("/")).text
    assert "In all new 20, sent again 0; at most 20 a minute" in page
    table = page[page.index("<table>") : page.index("</table>")]
    assert table.count("<tr>") == 1 + 12
    assert table.count('<td class="number">20</td>') == 1


async def test_an_action_that_fails_is_named_at_the_top(browser: Browser, console: Running) -> None:
    """With its rate, and in the table with how long it takes."""
    count(
        console, {"runs:done:mirror.write": 10, "runs:retrying:mirror.write": 29, "runs:dead:mirror.write": 1}
    )
    console.store.redis.hset(
        COUNTERS_KEY,
        mapping={"run_le:5:mirror.write": 36, "run_le:250:mirror.write": 3, "run_le:inf:mirror.write": 1},
    )
    page = said((await browser.get("/")).text)
    assert "mirror.write failed in 75 % of its 40 attempts of the last hour" in page
    assert "mirror.write fails 40 75 % ≤ 250 ms Pause" in page


@pytest.mark.parametrize(
    ("kind", "name", "lane", "back"),
    [
        ("sources", "misskey", b"misskey", "/sources"),
        ("actions", "mirror.write", b"@mirror.write", "/#actions"),
    ],
)
async def test_one_click_pauses_and_one_resumes(
    browser: Browser, console: Running, kind: str, name: str, lane: bytes, back: str
) -> None:
    """What was done is told on the next page, once; doing it twice does no harm."""
    count(console, {"runs:done:mirror.write": 1})
    answer = await browser.post(f"/{kind}/{name}/pause", {"back": back})
    assert (answer.status, answer.headers["Location"]) == (303, back)
    assert set(console.store.redis.hgetall(PAUSED_KEY)) == {lane}
    page = said((await browser.get("/")).text)
    assert f"{name} is paused" in page
    assert f"{name} has been paused for" in page
    assert f"{name} is paused" not in said((await browser.get("/")).text)
    await browser.post(f"/{kind}/{name}/pause")
    assert f"{name} is paused already." in said((await browser.get("/")).text)
    await browser.post(f"/{kind}/{name}/resume")
    assert console.store.redis.hgetall(PAUSED_KEY) == {}
    assert f"{name} goes on." in said((await browser.get("/")).text)


@pytest.mark.parametrize(
    "path", ["/sources/nothing/pause", "/actions/nothing.there/pause", "/sources/nothing"]
)
async def test_what_there_is_not_cannot_be_paused(browser: Browser, console: Running, path: str) -> None:
    """Redis is not filled with the names of others."""
    if path.endswith("pause"):
        assert (await browser.post(path)).status == 404
    else:
        assert (await browser.get(path)).status == 404
    assert console.store.redis.hgetall(PAUSED_KEY) == {}


async def test_a_source_tells_what_was_refused_and_why(browser: Browser, console: Running) -> None:
    """The latest with where they came from, and how many of late."""
    count(console, {"rejected:signature:misskey": 4, "rejected:too_large:misskey": 1})
    row = {"at": now_ms(), "reason": "the secret does not match", "peer": "203.0.113.9"}
    console.store.redis.lpush(REJECTED_PREFIX + "misskey", json.dumps(row))
    page = said((await browser.get("/sources/misskey")).text)
    assert "Refused, last hour 5" in page
    assert "the secret does not match 203.0.113.9" in page
    assert "4 deliveries to misskey had a wrong signature" in said((await browser.get("/")).text)


async def test_a_source_tells_its_url_its_secrets_age_and_what_is_kept(
    serve: Serve, browser_at: object
) -> None:
    """The URL is ready to be copied; a secret of more than a year is to be changed."""
    running = await serve(
        receiver={"public_url": "https://hooks.example.org/"},
        retention={"max_dead": 5000},
        sources={"team": {"provider": "esa", "secrets": ["env:ESA_SECRET"], "done_days": 1, "max_dead": 10}},
    )
    secrets = {"print": "00", "since": now_ms() - YEAR_MS - 3_600_000}
    running.store.redis.hset(SECRETS_KEY, "team", json.dumps(secrets))
    browser = browser_at(running)  # type: ignore[operator]
    await browser.log_in()
    page = await browser.get("/sources/team")
    assert 'data-copy="https://hooks.example.org/hooks/team"' in page.text
    told = said(page.text)
    assert "365 d 1 h old Change it once a year" in told
    assert "Done events kept for 1 day Dead letters kept for 30 days, and the latest 10 at most" in told
    assert "env:ESA_SECRET" in told


async def test_a_source_that_is_silent_for_too_long_is_told_of(serve: Serve, browser_at: object) -> None:
    """As its settings say."""
    running = await serve(sources={"team": {"provider": "esa", "unverified": True, "silent_after_hours": 12}})
    running.store.redis.hset(COUNTERS_KEY, "last:team", now_ms() - 13 * 3_600_000)
    browser = browser_at(running)  # type: ignore[operator]
    await browser.log_in()
    assert "Nothing has come from team for 13 h" in said((await browser.get("/")).text)


async def test_a_source_that_left_the_settings_is_still_shown(browser: Browser, console: Running) -> None:
    """Its events are there, after all."""
    console.store.redis.hset(COUNTERS_KEY, "last:gone", now_ms())
    assert "gone – not in the settings" in said((await browser.get("/sources")).text)
    assert "it is not in the settings any more" in said((await browser.get("/sources/gone")).text)


async def test_text_from_outside_is_shown_and_never_run(browser: Browser, console: Running) -> None:
    """In names, in reasons, in addresses, and in what a session is told."""
    count(console, {f"runs:dead:{HOSTILE}": 9, f"received:{HOSTILE}": 1, f"rejected:{HOSTILE}:misskey": 3})
    row = {"at": now_ms(), "reason": HOSTILE, "peer": HOSTILE}
    console.store.redis.lpush(REJECTED_PREFIX + "misskey", json.dumps(row))
    console.store.redis.hset(PAUSED_KEY, f"@{HOSTILE}", now_ms())
    for path in ("/", "/sources", "/sources/misskey", f"/{HOSTILE}", f"/login?next=/{HOSTILE}"):
        page = (await browser.get(path)).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert html.escape(HOSTILE)[:20] in (await browser.get("/sources/misskey")).text
