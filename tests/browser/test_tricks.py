"""What a sender writes is shown and never run: HTML, scripts, and letters that turn a text round."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.async_api import Page, expect

from hookline.index import failure_groups
from hookline.operations import now_ms
from hookline.providers import Delivery
from hookline.senders import delivery_random, make_delivery

if TYPE_CHECKING:
    from tests.browser.windows import Window
    from tests.pipeline.running import Pipeline

MARKUP = (
    "</pre></title></textarea></script>--><img src=x onerror=\"pwned('image')\"><svg onload=pwned('svg')>"
    "<script>pwned('script')</script><iframe srcdoc=\"<script>parent.pwned('frame')</script>\"></iframe>"
    "<a href=\"javascript:pwned('link')\" autofocus onfocus=pwned('focus')>x</a>"
    "<style>body{display:none}</style>"
    "<meta http-equiv=refresh content='0;url=http://192.0.2.1/'><base href=http://192.0.2.1/>"
    "<form action=http://192.0.2.1/><button>x</button></form><link rel=stylesheet href=//192.0.2.1/x.css>"
    "\"'`${pwned('template')}{{7*7}}{% raise %}&lt;&amp;"
)
TURNED = "\u202efdp.exe\u202c \u2066a\u2069 \u200b\u200f\ufeff \x1b[31m\x00\x07"
TRICK = MARKUP + TURNED
SHOWN = "<img src=x onerror=\"pwned('image')\">"
UNSEEN = "\u202e\u202c\u2066\u2069\u200b\u200f\ufeff\x1b\x00\x07"
PLUGIN = """
    @action("*", attempts=1)
    def shout(event):
        data = event.data if isinstance(event, UnknownEvent) else event.model_dump()
        raise ValueError(str(data.get("note", {}).get("text") or data))
"""
REFUSED = re.compile(r"the server responded with a status of 40[04] ")
FOREIGN = (
    "main :is(img, script, iframe, style, base, meta, link, object, embed, textarea), "
    "[onerror], [onload], [onfocus], main a[href^='javascript']"
)
REMEMBER = "window.ran = []; window.pwned = (what) => window.ran.push(what); null"


def mention(text: str) -> bytes:
    """A mention whose every text is this one."""
    made = make_delivery("misskey", "mention", secret=b"", rng=delivery_random("tricks", 1), now_ms=now_ms())
    payload = json.loads(made.body)
    note = payload["body"]["note"]
    note["text"] = note["cw"] = note["user"]["name"] = note["user"]["username"] = text
    payload[text] = payload["server"] = text
    return json.dumps(payload, ensure_ascii=False).encode()


async def send_tricks(stack: Pipeline) -> list[str]:
    """In the payload, the type, the headers, in what is no JSON, and in what is refused. Gives the ids."""
    headers = [
        (b"User-Agent", MARKUP.encode()),
        (b"X-Forwarded-For", MARKUP.encode()),
        (b"Referer", b"javascript:pwned('referer')"),
        (b"X-Odd", "\u202e".encode() + b"\xff\xfe<b>"),
    ]
    bodies = [
        mention(TRICK),
        json.dumps({"type": TRICK, "body": {"note": {"text": TRICK}}, "eventId": "1"}).encode(),
        json.dumps({"type": "__proto__", "constructor": TRICK, "eventId": "2"}).encode(),
        TRICK.encode(),
        b"\xff\xfe<script>pwned('bytes')</script>",
        b'{"type": "mention", "body": {"note": ' + json.dumps(TRICK).encode() + b"}}",
    ]
    answers = [await stack.post_body("misskey", body, headers) for body in bodies]
    async with stack.poster("misskey") as poster:
        forged = Delivery([(b"X-Misskey-Hook-Secret", MARKUP.encode()), *headers], TRICK.encode())
        assert (await poster.post(forged)).status == 401
    return [(answer.body or {})["id"] for answer in answers]


async def assert_harmless(page: Page) -> None:
    """Nothing ran, no element is the sender's, and nothing hides in the text."""
    assert await page.evaluate("window.ran") == []
    assert await page.locator(FOREIGN).count() == 0
    text = await page.evaluate("document.documentElement.textContent + document.title")
    assert [hex(ord(each)) for each in UNSEEN if each in text] == []
    assert await page.evaluate("getComputedStyle(document.body).display") != "none"
    for form in await page.locator("form").all():
        action = await form.evaluate("form => form.getAttribute('action') ?? '/'")
        assert action.startswith("/")


async def open_everything(page: Page) -> None:
    """Every part of the page that opens."""
    closed = page.locator("details:not([open]) > summary").filter(visible=True)
    while await closed.count():
        await closed.first.click()


async def test_a_payload_full_of_tricks_is_shown_and_never_run(stack: Pipeline, window: Window) -> None:
    """On every page that shows any of it, live or loaded, whole or in parts."""
    page = window.page
    await page.context.add_init_script(REMEMBER)
    await window.goto("/events")
    ids = await send_tricks(stack)
    stack.wait_for(lambda: {stack.state(each) for each in ids} == {"dead"}, "dead letters")
    await expect(page.get_by_role("list", name="Events").get_by_role("listitem")).to_have_count(len(ids))
    await expect(page.locator(".event[data-state=dead]")).to_have_count(len(ids))
    await expect(page.get_by_text(SHOWN).first).to_be_visible()
    await assert_harmless(page)
    for event_id in ids:
        for path in (f"/events/{event_id}", f"/events/{event_id}?body=raw"):
            await window.goto(path)
            await open_everything(page)
            await assert_harmless(page)
    for group in failure_groups(stack.store):
        for path in (f"/dead/{group.id}", f"/dead/{group.id}/replay"):
            await window.goto(path)
            await assert_harmless(page)
        await (
            page.get_by_role("button", name="Replay these", exact=False)
            .or_(page.get_by_role("button", name="Replay this one"))
            .click()
        )
        await expect(page.get_by_role("status")).to_have_text("The replay has begun.")
        await assert_harmless(page)
    for path in ("/", "/dead", "/replays", "/sources", "/sources/misskey", "/events"):
        await window.goto(path)
        await open_everything(page)
        await assert_harmless(page)


async def test_the_tricks_of_an_event_can_be_read(stack: Pipeline, window: Window) -> None:
    """As they were sent, each letter that cannot be seen as its name."""
    answer = await stack.post_body(
        "misskey", mention(f"once more: {TRICK}"), [(b"User-Agent", MARKUP.encode())]
    )
    event_id = (answer.body or {})["id"]
    stack.wait_for(lambda: stack.state(event_id) == "dead", "the dead letter")
    await window.goto(f"/events/{event_id}")
    page = window.page
    error = page.locator(".moments .error")
    for part in (page.get_by_label("The body"), error, page.locator(".heads")):
        await expect(part).to_contain_text("<img src=x onerror=")
    await expect(error).to_contain_text("[U+202E]fdp.exe[U+202C]")


@pytest.mark.parametrize(
    "path",
    [
        "/events?text={}&source={}&type={}&state={}&action={}&since={}&until={}&id={}",
        "/events?type=misskey.mentoin{}",
        "/events?cursor={}",
        "/dead?cursor={}",
        "/login?next={}",
        "/login?next=//192.0.2.1/",
        "/{}",
        "/sources/{}",
        "/dead/{}",
        "/?hours={}",
    ],
)
async def test_an_address_full_of_tricks_is_shown_and_never_run(window: Window, path: str) -> None:
    """Somebody may send it to an operator as a link."""
    await window.page.context.add_init_script(REMEMBER)
    await window.goto(path.replace("{}", quote(TRICK, safe="")))
    await assert_harmless(window.page)
    window.complaints = [each for each in window.complaints if not REFUSED.search(each)]


async def test_what_would_slip_through_is_stopped_by_the_policy(window: Window) -> None:
    """And is a complaint of these tests: that is how they would notice."""
    page = window.page
    await page.evaluate(REMEMBER)
    await page.evaluate(
        """() => {
        const main = document.querySelector("main");
        main.innerHTML = '<img src=/icon onerror="pwned(1)"><svg onload="pwned(2)">';
        document.body.append(Object.assign(document.createElement("script"), { text: "pwned(3)" }));
        document.body.append(Object.assign(document.createElement("img"), { src: "http://127.0.0.1:9/x" }));
        }"""
    )
    await expect(page.locator("main img")).to_have_count(1)
    assert await page.evaluate("window.ran") == []
    assert len([each for each in window.complaints if "refused by the policy: script-src" in each]) >= 2
    assert [each for each in window.complaints if "refused by the policy: img-src" in each]
    window.complaints.clear()
