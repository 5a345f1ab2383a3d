"""What an operator does with the console, from the login to the replay, in a real browser."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from playwright.async_api import expect

from hookline.keys import SESSION_PREFIX

if TYPE_CHECKING:
    from tests.browser.windows import Window, Windows
    from tests.pipeline.running import Pipeline

PLUGIN = """
    import pathlib

    FOLDER = pathlib.Path(__file__).parent.parent

    @action(misskey.Mention)
    def greet(event):
        pass

    @action(misskey.Renote, attempts=1)
    def mirror(event):
        if not (FOLDER / "target is back").exists():
            raise ValueError("the target answered 503")

    @action(misskey.Reply, attempts=1)
    def count(event):
        if not (FOLDER / "counter is back").exists():
            raise KeyError("counter")
"""
GROUP = 40
FOUND = 12


def end_sessions(stack: Pipeline) -> None:
    """As the end of their time does."""
    for key in stack.store.redis.scan_iter(f"{SESSION_PREFIX}*"):
        stack.store.redis.delete(key)


async def test_only_the_right_password_opens_the_console(windows: Windows) -> None:
    """A wrong one says so, and the page that was asked for comes after the right one."""
    window = await windows.open()
    await window.goto("/sources")
    await window.log_in("a guess")
    await expect(window.page.get_by_role("alert").filter(visible=True)).to_have_text(
        "That is not the password."
    )
    assert window.complaints == [
        "error: Failed to load resource: the server responded with a status of 401 (Unauthorized)"
    ]
    window.complaints.clear()
    await window.log_in()
    await expect(window.page.get_by_role("heading", level=1)).to_have_text("Sources")


async def test_the_session_ends_with_the_logout(window: Window) -> None:
    """Going back shows nothing of it."""
    await window.goto("/events?until=1h")  # nothing is live there
    await window.page.get_by_role("button", name="Log out").click()
    await expect(window.page.get_by_label("Password")).to_be_focused()
    await window.page.go_back()
    await expect(window.page.get_by_label("Password")).to_be_visible()


async def test_a_session_that_is_over_asks_for_the_password_again(stack: Pipeline, window: Window) -> None:
    """At the next click, and then goes where the click led to."""
    await window.goto("/events?until=1h")  # nothing is live there
    end_sessions(stack)
    await window.page.get_by_role("link", name="Replays").click()
    await window.log_in()
    await expect(window.page.get_by_role("heading", level=1)).to_have_text("Replays")


async def test_a_page_that_is_watched_asks_for_it_by_itself(stack: Pipeline, window: Window) -> None:
    """When its updates are refused; and then is there again."""
    async with window.page.expect_response(lambda response: "/events/live" in response.url):
        await window.goto("/events?source=team")
    end_sessions(stack)
    live = window.page.get_by_role("button", name="Live")
    await live.click()
    await live.click()
    await window.log_in()
    await expect(window.page).to_have_url(f"{window.url}/events?source=team")
    assert {each for each in window.complaints if "401 (Unauthorized)" not in each} == set()
    window.complaints.clear()


async def test_an_event_arrives_while_one_watches(stack: Pipeline, window: Window) -> None:
    """In the list and among the overview's numbers, with no page loaded anew."""
    page = window.page
    await window.goto("/events")
    overview = await window.tab("/")
    for each in (page, overview):
        await each.evaluate("window.isTheSame = true")
    came_in = overview.locator("#part-numbers .card", has_text="in the last hour").locator(".hint")
    before = int((await came_in.inner_text()).split()[0])
    await stack.post("misskey", "mention")
    newest = page.get_by_role("list", name="Events").get_by_role("listitem").first
    await expect(newest).to_contain_text("misskey.mention")
    await expect(newest).to_contain_text("own.greet")
    await expect(newest.locator(".state")).to_have_text("done")
    await expect(came_in).to_have_text(f"{before + 1} in the last hour")
    for each in (page, overview):
        assert await each.evaluate("window.isTheSame")


async def test_why_it_failed_is_three_clicks_away(stack: Pipeline, window: Window) -> None:
    """From the overview: the dead letters, this one, its traceback."""
    await stack.post("misskey", "renote")
    page = window.page
    await page.get_by_role("link", name="dead letter").first.click()
    await page.get_by_role("link", name="own.mirror").click()
    await expect(page.get_by_text("ValueError: the target answered 503").first).to_be_visible()
    await page.get_by_role("link", name="misskey.renote").first.click()
    await page.get_by_text("Traceback", exact=True).click()
    traceback = page.get_by_label("Traceback")
    await expect(traceback).to_be_visible()
    await expect(traceback).to_contain_text('raise ValueError("the target answered 503")')
    await expect(traceback).to_contain_text("plugins/own.py")


async def test_what_failed_is_replayed_and_becomes_done(stack: Pipeline, window: Window) -> None:
    """Once its target is back; the old attempt stays in the story, and the page tells all of it by itself."""
    answer = await stack.post("misskey", "renote", 1)
    event_id = (answer.body or {})["id"]
    await window.goto(f"/events/{event_id}")
    page = window.page
    state = page.locator(".title .state")
    await expect(state).to_have_text("dead")
    (stack.folder / "target is back").touch()
    await page.get_by_role("button", name="Replay own.mirror alone").click()
    await expect(page.get_by_role("status")).to_have_text("own.mirror runs again on it.")
    await expect(state).to_have_text("done")
    moments = page.locator(".moments > li")
    await expect(moments.filter(has_text="replayed")).to_be_visible()
    await expect(moments.filter(has_text="own.mirror")).to_have_count(2)


async def test_a_group_of_dead_letters_is_replayed(stack: Pipeline, window: Window) -> None:
    """It is counted first; then the progress is shown until all of it is done."""
    ids = await stack.post_many("reply", GROUP)
    stack.wait_for(lambda: {stack.state(each) for each in ids} == {"dead"}, "dead letters")
    (stack.folder / "counter is back").touch()
    page = window.page
    await page.get_by_role("link", name="Dead letters", exact=True).click()
    group = page.get_by_role("listitem").filter(has_text="own.count")
    await expect(group).to_contain_text("KeyError: 'counter'")
    await group.get_by_role("link", name="Replay").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Replay {GROUP} events?")
    assert {stack.state(each) for each in ids} == {"dead"}
    await page.get_by_role("button", name=f"Replay these {GROUP}").click()
    await expect(page.get_by_role("status")).to_have_text("The replay has begun.")
    await expect(page.locator(".state.done")).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", str(GROUP))
    stack.wait_for(lambda: {stack.state(each) for each in ids} == {"done"}, "replayed events")
    await page.get_by_role("link", name="Dead letters", exact=True).click()
    await expect(group).to_have_count(0)


async def post_needle(stack: Pipeline, number: int) -> str:
    """A mention that can be found by its text; gives the id of its event."""
    note = {"id": f"n{number}", "text": "a needle", "user": {"id": "u1", "username": "hanako"}}
    body = json.dumps({"type": "mention", "body": {"note": note}}).encode()
    answer = await stack.post_body("misskey", body)
    event_id: str = (answer.body or {})["id"]
    return event_id


async def test_what_a_search_finds_is_replayed(stack: Pipeline, window: Window) -> None:
    """It is counted first; then the progress is shown until all of it is done, and each has run again."""
    ids = [await post_needle(stack, number) for number in range(FOUND)]
    other = await stack.post("misskey", "mention", 500)
    stack.wait_for(lambda: set(stack.states()) <= {"done", "dead"}, "finished events")
    page = window.page
    await window.goto("/events")
    await page.get_by_label("Text in the payload").fill("a needle")
    await page.get_by_role("button", name="Find").click()
    await page.get_by_role("link", name="Replay these").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Replay {FOUND} events?")
    await expect(page.get_by_text("text a needle")).to_be_visible()
    await page.get_by_role("button", name=f"Replay these {FOUND}").click()
    await expect(page.get_by_role("status")).to_have_text("The replay has begun.")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("text a needle")
    await expect(page.locator(".state.done")).to_be_visible()
    await expect(page.get_by_role("progressbar")).to_have_attribute("value", str(FOUND))
    stack.wait_for(lambda: {stack.state(each) for each in ids} == {"done"}, "replayed events")
    await window.goto(f"/events/{ids[0]}")
    await expect(page.locator(".moments > li").filter(has_text="own.greet")).to_have_count(2)
    await window.goto(f"/events/{(other.body or {})['id']}")
    await expect(page.locator(".moments > li").filter(has_text="own.greet")).to_have_count(1)


async def test_a_paused_source_waits_and_goes_on(stack: Pipeline, window: Window) -> None:
    """What comes in meanwhile is kept, and runs when it is resumed."""
    await window.goto("/sources")
    page = window.page
    await page.get_by_role("button", name="Pause misskey").click()
    await expect(page.get_by_role("status")).to_have_text("misskey is paused: what comes in waits.")
    await expect(page.get_by_role("row", name="misskey").locator(".state").first).to_have_text("paused")
    answer = await stack.post("misskey", "mention", 7)
    other = await stack.post("esa", "post_create", 7)
    stack.wait_for(lambda: stack.state((other.body or {})["id"]) == "done", "the other source's event")
    await window.goto(f"/events/{(answer.body or {})['id']}")
    await expect(page.locator(".title .state")).to_have_text("queued")
    sources = await window.tab("/sources")
    await sources.get_by_role("button", name="Resume misskey").click()
    await expect(sources.get_by_role("status")).to_have_text("misskey goes on.")
    await expect(page.locator(".title .state")).to_have_text("done")


async def test_a_paused_action_waits_and_goes_on(stack: Pipeline, window: Window) -> None:
    """Its runs wait, as the event says."""
    await stack.post("misskey", "mention", 20)
    page = window.page
    await page.get_by_role("button", name="Pause own.greet").click()
    await expect(page.get_by_role("status")).to_have_text("own.greet is paused: its runs wait.")
    answer = await stack.post("misskey", "mention", 21)
    await window.goto(f"/events/{(answer.body or {})['id']}")
    await expect(page.locator(".title .state")).to_have_text("paused")
    overview = await window.tab("/")
    await overview.get_by_role("button", name="Resume own.greet").click()
    await expect(overview.get_by_role("status")).to_have_text("own.greet goes on.")
    await expect(page.locator(".title .state")).to_have_text("done")
