"""One event is found among 100,000: by what is in it, by its source, type, state, time, action and id."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, expect
from redis.asyncio import Redis as AsyncRedis

from bench.rows.search import RARE, place_of
from bench.stored import DAY_MS, Finish, store_finished
from hookline.index import Filter, search
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.operations import now_ms

if TYPE_CHECKING:
    from tests.browser.windows import Window
    from tests.pipeline.running import Pipeline

STORED = 100_000
NEEDLE = "針を干し草の山から見つける 🧵"
PLUGIN = """
    @action(esa.PostCreate)
    def copy(event):
        pass
"""


@pytest.fixture(scope="module")
def haystack(stack: Pipeline) -> Pipeline:
    """As many events of the last six days; the needle is from three days ago."""
    (worker,) = [each for each in stack.services if each.module == "hookline_worker"]
    first = asyncio.run(stack.post("esa", "post_create"))
    event_id = (first.body or {})["id"]
    stack.wait_for(lambda: stack.state(event_id) == "done", "the event that all others are like")
    worker.stop()
    stack.store.redis.config_set("appendonly", "no")  # it is quicker, and nothing is needed again
    store_finished(stack.redis.url, STORED, Finish.of(stack.store, event_id), place_of)
    asyncio.run(hide_needle(stack.redis.url))
    stack.start_worker()
    stack.wait_for(lambda: not stack.store.redis.scard("hookline:open"), "the needle's end")
    return stack


async def hide_needle(url: str) -> None:
    """As a receiver had stored it three days ago, of a sender who writes JSON in ASCII."""
    at_ms = now_ms() - 3 * DAY_MS
    post = {"number": 7, "name": "needle", "body_md": f"... {NEEDLE} ..."}
    body = json.dumps({"kind": "post_create", "user": {"name": "藁"}, "post": post}).encode()
    event = RawEvent(new_event_id(at_ms), "team", "esa", at_ms, "needle", DAY_MS, b"[]", body)
    async with AsyncRedis.from_url(url) as client:
        await CommitScript(client, "hookline")([event])


def rows(window: Window) -> Locator:
    """The list's events."""
    return window.page.get_by_role("list", name="Events").get_by_role("listitem")


async def find(window: Window, **fields: str) -> None:
    """Fill the form's fields, and send it."""
    await window.goto("/events")
    page = window.page
    form = page.get_by_role("search", name="Find events")
    await form.get_by_text("Time, action, id").click()
    for label, value in fields.items():
        field = form.get_by_label(label, exact=True)
        if label in ("Source", "State"):
            await field.select_option(value)
        else:
            await field.fill(value)
    await form.get_by_role("button", name="Find").click()
    await page.wait_for_url("**/events?**")


def needle_id(stack: Pipeline) -> str:
    """The needle's."""
    (found,) = search(
        stack.store, Filter(source="team", type="esa.post_create", text=NEEDLE), seconds=60
    ).events
    return found.id


async def test_a_text_finds_the_one_event_that_has_it(haystack: Pipeline, window: Window) -> None:
    """Whatever way its sender wrote it, and the search goes on by itself until it is found."""
    await find(window, **{"Text in the payload": NEEDLE})
    await expect(rows(window)).to_have_count(1)
    await rows(window).get_by_role("link").click()
    await window.page.get_by_text("Its fields").click()
    await expect(window.page.get_by_label("The typed event")).to_contain_text(NEEDLE)


@pytest.mark.parametrize(
    ("fields", "count", "shown"),
    [
        ({"Source": "wiki"}, 50, "wiki"),
        ({"Type": RARE}, STORED // 20_000, RARE),
        ({"Type": "esa.kind_1*", "State": "dead"}, 50, "dead"),
        ({"Source": "staff", "Type": "esa.kind_3", "State": "done"}, 50, "esa.kind_3"),
        ({"Action": "own.copy", "Source": "docs"}, 50, "own.copy"),
    ],
)
async def test_source_type_state_and_action_narrow_the_list(
    haystack: Pipeline, window: Window, fields: dict[str, str], count: int, shown: str
) -> None:
    """Every row is as was asked for, and there is a full page where there is that much."""
    await find(window, **fields)
    await expect(rows(window)).to_have_count(count)
    await expect(rows(window).filter(has_text=shown)).to_have_count(count)


async def test_the_first_digits_of_an_id_find_it(haystack: Pipeline, window: Window) -> None:
    """In the form; and the search that every page has opens the event whose whole id it is given."""
    wanted = needle_id(haystack)
    await find(window, Id=wanted[:15])
    await expect(rows(window)).to_have_count(1)
    await window.goto("/sources")
    await window.page.keyboard.press("/")
    await window.page.keyboard.type(wanted)
    await window.page.keyboard.press("Enter")
    await expect(window.page).to_have_url(f"{window.url}/events/{wanted}")


async def test_a_time_is_one_of_the_readers_zone(haystack: Pipeline, window: Window) -> None:
    """A window of two minutes around the needle, typed as the clock on the wall in Tokyo says it."""
    at = datetime.fromtimestamp(int(needle_id(haystack)[:12], 16) / 1000, ZoneInfo("Asia/Tokyo"))
    since, until = (f"{at + timedelta(minutes=by):%Y-%m-%dT%H:%M}" for by in (-1, 1))
    await find(window, From=since, To=until, Type="esa.post_create")
    await expect(rows(window)).to_have_count(1)
    await expect(rows(window).get_by_role("link")).to_have_attribute("href", f"/events/{needle_id(haystack)}")


async def test_older_pages_follow_without_a_gap(haystack: Pipeline, window: Window) -> None:
    """Each event once."""
    await window.goto("/events?source=wiki")
    seen: list[str] = []
    for _ in range(3):
        seen += [await row.get_attribute("data-row") or "" for row in await rows(window).all()]
        await window.page.get_by_role("link", name="Older events").click()
        await expect(window.page.locator(f"[data-row='{seen[-1]}']")).to_have_count(0)
    expected = search(haystack.store, Filter(source="wiki"), size=150, seconds=60).events
    assert seen == [each.id for each in expected]
