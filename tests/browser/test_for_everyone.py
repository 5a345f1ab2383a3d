"""Every page can be read by all: by a screen reader, on a phone, in the dark, and without JavaScript."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, ViewportSize, expect

from hookline.index import Filter, failure_groups, search
from hookline.providers import Delivery
from hookline.replays import begin, gather
from tests.browser.windows import ask

if TYPE_CHECKING:
    from tests.browser.windows import Window, Windows
    from tests.pipeline.running import Pipeline

PLUGIN = """
    @action(misskey.Mention)
    def greet_everybody_who_mentions_us_with_a_rather_long_name(event):
        pass

    @action(misskey.Renote, attempts=2)
    def mirror(event):
        raise ValueError("https://example.com/" + "a-very-long-word-without-any-space-in-it" * 8)
"""
PATHS = {
    "overview": "/",
    "overview of a day": "/?hours=24",
    "events": "/events",
    "events found": "/events?text=note&state=done&since=2d&type=misskey.*",
    "events with wrong fields": "/events?state=finished&since=yesterday&id=zz",
    "replay of events": "/events/replay?text=note&action=own.mirror&since=2d",
    "replay of no events": "/events/replay?type=misskey.mentoin",
    "no events": "/events?type=misskey.mentoin",
    "done event": "/events/{done}",
    "dead event": "/events/{dead}",
    "raw body": "/events/{dead}?body=raw",
    "unreadable event": "/events/{unreadable}",
    "dead letters": "/dead",
    "group": "/dead/{group}",
    "replay of a group": "/dead/{group}/replay",
    "replays": "/replays",
    "replay": "/replays/{replay}",
    "sources": "/sources",
    "source": "/sources/misskey",
    "no such page": "/nothing",
}
every_page = pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())

INTERACTIVE = {
    *("button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "spinbutton"),
    *("DisclosureTriangle", "image", "progressbar"),
}
"""What must have a name."""
LANDMARKS = {"banner": 1, "main": 1, "contentinfo": 1}
WIDE: ViewportSize = {"width": 1200, "height": 800}
NARROW: ViewportSize = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def filled(stack: Pipeline) -> dict[str, str]:
    """Something on every page; what stands in the places of the addresses."""
    asyncio.run(fill(stack))
    stack.wait_for(lambda: set(stack.states()) == {"done", "dead"}, "finished events")
    dead = Filter(state="dead", type="misskey.renote")
    group = max(failure_groups(stack.store), key=lambda each: each.count)
    bulk = begin(stack.store, dead)
    gather(stack.store, bulk.id, dead)
    stack.wait_for(lambda: set(stack.states()) == {"done", "dead"}, "replayed events")
    return {
        "done": search(stack.store, Filter(state="done", type="misskey.mention")).events[0].id,
        "dead": search(stack.store, dead).events[0].id,
        "unreadable": search(stack.store, Filter(state="dead", type="")).events[0].id,
        "group": group.id,
        "replay": bulk.id,
    }


async def fill(stack: Pipeline) -> None:
    """Events that are done, dead, sent again and unreadable, and a delivery that is refused."""
    await stack.post_many("mention", 3)
    await stack.post_many("renote", 4)
    for _ in range(2):
        await stack.post("esa", "post_create", 1)
    await stack.post_body("misskey", b"{no json")
    async with stack.poster("misskey") as poster:
        assert (await poster.post(Delivery([], b"{}"))).status == 401


async def tree(page: Page) -> list[dict[str, Any]]:
    """What a screen reader is told of the page: each node's role, name and properties."""
    session = await page.context.new_cdp_session(page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    await session.detach()
    return [node for node in nodes if not node["ignored"]]


def property_of(node: dict[str, Any], name: str) -> Any:
    """A property of a node, as the level of a heading."""
    return next((each["value"]["value"] for each in node["properties"] if each["name"] == name), None)


@pytest_asyncio.fixture(loop_scope="session")
async def shown(lasting_window: Window, filled: dict[str, str], path: str) -> Page:
    """The page, loaded anew."""
    await lasting_window.page.set_viewport_size(WIDE)
    await lasting_window.goto(path.format(**filled))
    lasting_window.complaints = [each for each in lasting_window.complaints if "404 (Not Found)" not in each]
    return lasting_window.page


async def open_everything(page: Page) -> None:
    """Every part of the page that opens."""
    closed = page.locator("details:not([open]) > summary").filter(visible=True)
    while await closed.count():
        await closed.first.click()


@every_page
async def test_a_screen_reader_can_tell_everything(shown: Page) -> None:
    """All that one can act with has a name, each field a label, and the headings are in order."""
    nodes = await tree(shown)
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    roles = Counter(role for role, _ in found)
    assert sum(roles[role] for role in INTERACTIVE) > 8
    assert [role for role, name in found if role in INTERACTIVE and not name.strip()] == []
    assert {role: roles[role] for role in LANDMARKS} == LANDMARKS
    headings = [property_of(node, "level") for node in nodes if node["role"]["value"] == "heading"]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert [(above, below) for above, below in pairwise(headings) if below > above + 1] == []
    assert await ask(shown, "unlabelled") == []
    assert await shown.title() not in ("", " · Hookline")
    assert await shown.locator("html").get_attribute("lang") == "en"
    ids = await shown.evaluate("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert [each for each, count in Counter(ids).items() if count > 1] == []


@every_page
async def test_a_phone_scrolls_in_one_direction_alone(shown: Page) -> None:
    """At 360 pixels nothing is cut off, whatever is open, and a finger meets what it aims at."""
    await shown.set_viewport_size(NARROW)
    await open_everything(shown)
    assert await ask(shown, "too_wide") == []
    assert await ask(shown, "too_small") == []


@every_page
async def test_every_text_has_contrast(shown: Page) -> None:
    """As much as WCAG's AA asks for, in the light and in the dark."""
    await open_everything(shown)
    found = {}
    for scheme in ("light", "dark"):
        await shown.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        seen = await ask(shown, "too_faint")
        assert seen["count"] > 8
        found[scheme] = seen["found"]
    assert found == {"light": [], "dark": []}


async def test_it_works_without_javascript(stack: Pipeline, windows: Windows, filled: dict[str, str]) -> None:
    """Log in, find an event, read why it failed, run it again, pause and resume, and log out."""
    window = await windows.logged_in(java_script_enabled=False)
    page = window.page
    await page.get_by_role("link", name="Events", exact=True).click()
    form = page.get_by_role("search", name="Find events")
    await form.get_by_label("State").select_option("dead")
    await form.get_by_label("Type").fill("misskey.renote")
    await form.get_by_role("button", name="Find").click()
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(4)
    await rows.first.get_by_role("link").click()
    await page.get_by_text("Traceback", exact=True).first.click()
    await expect(page.get_by_label("Traceback").first).to_contain_text("raise ValueError")
    await page.get_by_role("button", name="Replay own.mirror alone").click()
    await expect(page.get_by_role("status")).to_contain_text("runs again on it")
    for step, said in (("Pause", "misskey is paused: what comes in waits."), ("Resume", "misskey goes on.")):
        await page.get_by_role("link", name="Sources").click()
        await page.get_by_role("button", name=f"{step} misskey").click()
        await expect(page.get_by_role("status")).to_have_text(said)
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_label("Password")).to_be_visible()
