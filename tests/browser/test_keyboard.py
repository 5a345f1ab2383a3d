"""Everything can be done with the keyboard alone, and one always sees where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, expect

from tests.browser.windows import ask
from tests.pipeline.running import PASSWORD

if TYPE_CHECKING:
    from tests.browser.windows import Window, Windows
    from tests.pipeline.running import Pipeline

PLUGIN = """
    @action(misskey.Mention, attempts=1)
    def greet(event):
        raise GiveUp("nobody is there")
"""


async def focused(page: Page) -> str:
    """What has the focus; it must be seen, and marked so that it is seen."""
    found = await ask(page, "focused")
    assert found["isSeen"], found
    assert found["isMarked"], found
    return str(found["name"])


async def tabs(page: Page, count: int) -> list[str]:
    """What so many presses of Tab come by."""
    passed = []
    for _ in range(count):
        await page.keyboard.press("Tab")
        passed.append(await focused(page))
    return passed


async def test_one_logs_in_without_a_mouse(windows: Windows) -> None:
    """The password's field is ready to be typed in."""
    window = await windows.open()
    await window.goto("/login")
    await window.page.keyboard.type(PASSWORD)
    await window.page.keyboard.press("Enter")
    await expect(window.page).to_have_url(f"{window.url}/")


async def test_the_order_is_that_of_the_page(window: Window) -> None:
    """The link that skips the navigation comes first, then the navigation."""
    await window.goto("/events")
    passed = await tabs(window.page, 9)
    pages = ["Overview", "Events", "Dead letters", "Replays", "Sources"]
    assert passed[:7] == ["Skip to the content", "Hookline", *pages]
    assert passed[7:] == ["Search the events for a text or an id", "Log out"]


async def test_the_skip_link_leads_past_the_navigation(window: Window) -> None:
    """The next Tab is within the content."""
    await window.goto("/events")
    page = window.page
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize(
    ("key", "path"), [("o", "/"), ("e", "/events"), ("d", "/dead"), ("r", "/replays"), ("s", "/sources")]
)
async def test_g_and_a_letter_lead_to_a_page(window: Window, key: str, path: str) -> None:
    """As the list of keys says."""
    await window.goto("/sources" if path != "/sources" else "/")
    await window.page.keyboard.press("g")
    await window.page.keyboard.press(key)
    await expect(window.page).to_have_url(window.url + path)


async def test_an_event_is_found_opened_and_replayed(stack: Pipeline, window: Window) -> None:
    """By `j`, Enter, and Tab to the button; letters that are typed into a field stay letters."""
    answer = await stack.post("misskey", "mention")
    event_id = (answer.body or {})["id"]
    stack.wait_for(lambda: stack.state(event_id) == "dead", "the dead letter")
    page = window.page
    await page.keyboard.press("/")
    await page.keyboard.type("jkg?")
    await expect(page.get_by_label("Search the events")).to_have_value("jkg?")
    await window.goto("/events")
    await page.keyboard.press("j")
    assert await focused(page) == "misskey.mention"
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{window.url}/events/{event_id}")
    await page.keyboard.press("Tab")
    while await focused(page) != "Replay all":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_have_text("It runs again.")


async def test_j_and_k_go_through_a_list(stack: Pipeline, window: Window) -> None:
    """And stop at its ends."""
    await stack.post_many("follow", 3)
    await window.goto("/events?type=misskey.follow")
    page = window.page
    links = page.get_by_role("list", name="Events").get_by_role("link")
    await expect(links).to_have_count(3)
    for key, at in (("j", 0), ("j", 1), ("k", 0), ("k", 0), ("j", 1), ("j", 2), ("j", 2)):
        await page.keyboard.press(key)
        await expect(links.nth(at)).to_be_focused()


async def test_the_list_of_keys_opens_and_closes(window: Window) -> None:
    """By `?` and by its button; Escape closes it, and the focus is back where it was."""
    page = window.page
    keys = page.get_by_role("dialog", name="Keyboard")
    await page.keyboard.press("?")
    await expect(keys).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("s")
    await page.keyboard.press("Escape")
    await expect(keys).to_be_hidden()
    await expect(page).to_have_url(f"{window.url}/")
    opens = page.get_by_role("button", name="Keyboard")
    await opens.focus()
    await page.keyboard.press("Enter")
    await expect(keys).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(opens).to_be_focused()


async def test_what_is_live_leaves_the_focus_where_it_is(stack: Pipeline, window: Window) -> None:
    """On the overview, whose parts are replaced, and in the list, where rows come above."""
    page = window.page
    await stack.post("misskey", "mention", 50)
    pause = page.get_by_role("button", name="Pause own.greet")
    await pause.focus()
    attempts = page.get_by_role("row", name="own.greet").locator(".number").first
    before = await attempts.inner_text()
    await stack.post("misskey", "mention", 51)
    await expect(attempts).not_to_have_text(before)
    await expect(pause).to_be_focused()
    await window.goto("/events")
    await page.keyboard.press("j")
    first = page.get_by_role("list", name="Events").get_by_role("link").first
    at = await first.get_attribute("href")
    await stack.post("misskey", "mention", 52)
    await expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert await page.evaluate("document.activeElement.getAttribute('href')") == at
    await page.get_by_role("button", name="1 new").press("Enter")
    await expect(first).to_be_focused()
    assert await first.get_attribute("href") != at
