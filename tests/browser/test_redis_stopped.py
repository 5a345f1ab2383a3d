"""While Redis is away the pages say so, and go on by themselves when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

if TYPE_CHECKING:
    from tests.browser.windows import Window
    from tests.pipeline.running import Pipeline

PLUGIN = """
    @action(misskey.Mention)
    def greet(event):
        pass
"""


async def test_pages_say_that_redis_is_away_and_come_back(stack: Pipeline, window: Window) -> None:
    """One that was open stays as it was, with a line above; one that is opened meanwhile waits."""
    page = window.page
    await stack.post("misskey", "mention", 1)
    overview = await window.tab("/")
    await window.goto("/events")
    rows = page.get_by_role("list", name="Events").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    stack.redis.stop()
    for each in (page, overview):
        await expect(each.get_by_role("alert")).to_contain_text("Redis does not answer")
    await expect(rows).to_have_count(1)
    opened = await window.tab("/sources")
    await expect(opened.get_by_role("heading", level=1)).to_have_text("Redis does not answer")
    assert await opened.get_by_text("misskey").count() == 0
    stack.redis.start()
    for each in (page, overview):
        await expect(each.get_by_role("alert")).to_be_hidden()
    await expect(opened.get_by_role("heading", level=1)).to_have_text("Sources")
    await stack.post("misskey", "mention", 2)
    await expect(rows).to_have_count(2)
    assert {each for each in window.complaints if "503 (Service Unavailable)" not in each} == set()
    window.complaints.clear()
