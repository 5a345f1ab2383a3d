"""One event's page, over a real Redis: all that is known of it, its downloads, and the replay."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hookline import misskey
from hookline.ledger import Attempt, Run
from hookline.testing import recorded

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve, Stored

HIDDEN = "\u202e\u200b\x1b"
MARKUP = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>"
TRICKS = f"{MARKUP}\"'&lt;{{{{7*7}}}}{HIDDEN}[2J<img src=x>"


def failed(at_ms: int, error: str = "ValueError: no") -> Attempt:
    """An attempt that failed."""
    return Attempt(at_ms, 5, error, f"Traceback (most recent call last):\n  File\n{error}")


def text_of(markup: str) -> str:
    """The page's words, without its markup and its white space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", markup))


async def test_the_page_tells_the_whole_story(browser: Browser, stored: Stored) -> None:
    """What ran, how it failed and why, what was sent, and what an action was given."""
    event_id = await stored.receive(key="k")
    assert await stored.receive(key="k") == event_id
    runs = Run("p.bad", "dead", [failed(1), failed(2)]), Run("p.good", "done", [Attempt(3, 7)])
    stored.read(event_id, "misskey.mention", *runs, state="dead")
    page = await browser.get(f"/events/{event_id}")
    assert page.status == 200
    said = text_of(page.text)
    for words in (
        "misskey.mention",
        "p.bad attempt 2: failed in 5 ms",
        "p.good attempt 1: ok in 7 ms",
        "ValueError: no",
        "Traceback (most recent call last):",
        "sent again by the sender",
        "a dead letter",
        "others like it",
        "a secret, struck out before it was stored",
        "misskey.Mention",
        "hanako",
    ):
        assert words in said
    assert "***" not in said


async def test_an_event_that_waits_says_so(browser: Browser, stored: Stored) -> None:
    """It cannot be replayed, as it runs anyway."""
    event_id = await stored.receive()
    page = await browser.get(f"/events/{event_id}")
    assert "It waits for a worker" in page.text
    assert re.search(r'<button[^>]*id="replay-all"[^>]* disabled', page.text)


async def test_a_delivery_that_cannot_be_read_says_why(browser: Browser, stored: Stored) -> None:
    """In the worker's words, and where the typed event would be."""
    event_id = await stored.receive(b"{")
    stored.refuse(event_id, "the body is not readable as JSON")
    said = text_of((await browser.get(f"/events/{event_id}")).text)
    assert "It cannot be read: the body is not readable as JSON" in said
    assert "No event can be made of it" in said


async def test_tricks_are_shown_and_never_run(browser: Browser, stored: Stored) -> None:
    """In a body, a type, a header, an error, a traceback and an action's name."""
    body = json.dumps({"type": TRICKS, TRICKS: [TRICKS]}, ensure_ascii=False)
    event_id = await stored.receive(body.encode(), headers=[(f"x-{TRICKS}", TRICKS)])
    run = Run(f"p.{TRICKS}", "dead", [Attempt(1, 1, TRICKS, f"Traceback\n{TRICKS}")])
    stored.read(event_id, f"misskey.{TRICKS}", run, state="dead")
    for path in (f"/events/{event_id}", f"/events/{event_id}?body=raw", "/events", "/dead"):
        page = (await browser.get(path)).text
        assert page.count("<script") == page.count('<script src="/static/')
        assert "<img src=x" not in page
        assert "onerror" in page
        assert not set(HIDDEN) & set(re.sub(r'(value|data-stream)="[^"]*"', "", page))
        assert "{{7*7}}" in page
    group = re.search(r'href="/dead/([0-9a-f]+)"', page)
    assert group
    for path in (f"/dead/{group[1]}", f"/dead/{group[1]}/replay"):
        page = (await browser.get(path)).text
        assert "&lt;script&gt;alert(1)" in page
        assert "<img src=x" not in page


async def test_a_body_is_downloaded_as_text(browser: Browser, stored: Stored) -> None:
    """To the byte; a browser saves it and takes it for nothing else."""
    raw = b"<script>alert(1)</script>\x00"
    event_id = await stored.receive(raw)
    async with browser.client.get(f"{browser.url}/events/{event_id}/body") as answer:
        assert await answer.read() == raw
        assert answer.content_type == "text/plain"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{event_id}.txt"'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_large_body_is_cut_and_offered_whole(browser: Browser, stored: Stored) -> None:
    """The page stays small."""
    event_id = await stored.receive(json.dumps({"type": "x", "body": "long " * 100_000}).encode())
    page = await browser.get(f"/events/{event_id}")
    assert "Save the whole body" in page.text
    assert len(page.text) < 1_000_000


async def test_a_delivery_saved_for_tests_makes_the_event(
    browser: Browser, stored: Stored, tmp_path: Path
) -> None:
    """As `hookline.testing` reads it."""
    event_id = await stored.receive()
    async with browser.client.get(f"{browser.url}/events/{event_id}/fixture") as answer:
        assert f'-{event_id}.json"' in answer.headers["Content-Disposition"]
        (tmp_path / "mention.json").write_bytes(await answer.read())
    event = recorded(tmp_path / "mention.json")
    assert isinstance(event, misskey.Mention)
    assert event.user.username == "hanako"


async def test_curl_goes_to_the_public_url(serve: Serve, browser_at: object, stored: Stored) -> None:
    """Where senders reach the receiver; the secret is a variable."""
    running = await serve(receiver={"public_url": "https://hooks.example.org/base/"})
    browser = browser_at(running)  # type: ignore[operator]
    await browser.log_in()
    page = (await browser.get(f"/events/{await stored.receive()}")).text
    assert "curl &#39;https://hooks.example.org/base/hooks/misskey&#39;" in page
    assert "${X_MISSKEY_HOOK_SECRET:?" in page


@pytest.mark.parametrize(("action", "left"), [("", set()), ("p.bad", {"p.good"})])
async def test_replay_runs_it_again(
    browser: Browser, console: Running, stored: Stored, action: str, left: set[str]
) -> None:
    """All of its actions, or one; and the page then shows what was before."""
    event_id = await stored.receive()
    runs = Run("p.bad", "dead", [failed(1)]), Run("p.good", "done", [Attempt(3, 7)])
    stored.read(event_id, "misskey.mention", *runs, state="dead")
    answer = await browser.post(f"/events/{event_id}/replay", {"action": action})
    assert (answer.status, answer.headers["Location"]) == (303, f"/events/{event_id}")
    fields = console.store.fields(event_id)
    assert fields["state"] == b"queued"
    assert {name for name in fields if name.startswith("run:")} == {f"run:{name}" for name in left}
    page = text_of((await browser.get(f"/events/{event_id}")).text)
    assert "again on it." in page or "It runs again." in page
    assert "p.bad attempt 1: failed" in page
    assert "replayed" in page


async def test_an_unfinished_event_is_not_replayed(
    browser: Browser, console: Running, stored: Stored
) -> None:
    """It is said that nothing was changed."""
    event_id = await stored.receive()
    await browser.post(f"/events/{event_id}/replay", {"action": ""})
    assert "replays" not in console.store.fields(event_id)
    assert "nothing was changed" in (await browser.get("/events")).text


@pytest.mark.parametrize("path", ["", "/body", "/fixture"])
async def test_an_event_that_is_gone_is_not_found(browser: Browser, path: str) -> None:
    """The page says why that may be."""
    page = await browser.get(f"/events/{'0' * 24}{path}")
    assert page.status == 404
    assert "it may have been purged" in page.text


async def test_a_stranger_sees_nothing(stranger: Browser, stored: Stored) -> None:
    """Of no page and no download, and replays nothing."""
    event_id = await stored.receive()
    for path in ("", "/live", "/body", "/fixture"):
        page = await stranger.get(f"/events/{event_id}{path}")
        assert page.status in (303, 401)
        assert "hanako" not in page.text
    assert (await stranger.send("POST", f"/events/{event_id}/replay", {})).status in (303, 401)
