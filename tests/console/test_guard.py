"""Nothing without a login, from whatever route; and nothing that somebody else's page asks for."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from hookline.keys import PAUSED_KEY
from hookline_console import forms

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve

OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/healthz"), ("GET", "/static/{name}")}


def routes(app: web.Application) -> set[tuple[str, str]]:
    """Every method and path that the console knows."""
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource and route.method != "HEAD"
    }


def filled(path: str) -> str:
    """The path with something in its places."""
    return re.sub(r"\{\w+\}", "misskey", path)


async def test_every_route_but_four_is_closed_to_strangers(console: Running, stranger: Browser) -> None:
    """A browser is sent to the login, whatever it asks for; a new page that forgets this fails here."""
    known = routes(console.app)
    assert known > OPEN
    for method, path in known - OPEN:
        answer = await stranger.send(method, filled(path))
        assert (path, answer.status) == (path, 303)
        assert answer.headers["Location"].startswith("/login")
        assert answer.text == "303: See Other"


async def test_a_program_without_the_token_gets_401_from_every_route(
    console: Running, stranger: Browser
) -> None:
    """With no more in it than how to log in; the streams of a page likewise."""
    for method, path in routes(console.app) - OPEN:
        for accepted in ("*/*", "text/event-stream", "application/json"):
            answer = await stranger.send(method, filled(path), Accept=accepted)
            assert (path, answer.status) == (path, 401)
            assert answer.text == '{"error": "log in, or send the password as Authorization: Bearer"}'


@pytest.mark.parametrize(
    "path", ["/nothing", "/static/../", "/static/%2e%2e/app.py", "/static", "//", "/login/x"]
)
async def test_what_is_no_page_is_closed_too(stranger: Browser, path: str) -> None:
    """A stranger does not even learn what there is."""
    answer = await stranger.send("GET", path, Accept="*/*")
    assert answer.status in (401, 404)
    assert "There is" not in answer.text


@pytest.mark.parametrize("token", ["", "0" * 64, "' or 1=1", "\udcff"])
async def test_a_made_up_cookie_is_no_session(stranger: Browser, token: str) -> None:
    """Whatever is in it."""
    answer = await stranger.get("/", Cookie=f"hookline={token}")
    assert answer.status == 303


async def test_every_post_needs_the_token_of_its_session(console: Running, browser: Browser) -> None:
    """None, a wrong one and that of another session are refused, and nothing is done."""
    for method, path in routes(console.app) - OPEN:
        if method == "GET":
            continue
        for wrong in ({"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "ü"}):
            answer = await browser.send(method, filled(path), wrong)
            assert (path, answer.status) == (path, 403)
            assert (await browser.send(method, filled(path), X_CSRF_Token="0" * 64)).status == 403
    assert console.store.redis.hgetall(PAUSED_KEY) == {}
    assert (await browser.get("/")).status == 200


async def test_a_script_of_ours_sends_the_token_as_a_header(console: Running, browser: Browser) -> None:
    """The page has it in its head."""
    csrf = (await browser.get("/")).csrf
    answer = await browser.send("POST", "/sources/misskey/pause", X_CSRF_Token=csrf)
    assert answer.status == 303
    assert b"misskey" in console.store.redis.hgetall(PAUSED_KEY)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
    ],
)
async def test_another_sites_page_can_do_nothing(browser: Browser, headers: dict[str, str]) -> None:
    """Not even with the right token, and not log in either."""
    csrf = (await browser.get("/")).csrf
    answer = await browser.send("POST", "/sources/misskey/pause", {"csrf": csrf}, **headers)
    assert answer.status == 403
    assert "a page of another site" in answer.text
    answer = await browser.send("POST", "/login", {"password": browser.password}, **headers)
    assert answer.status == 403


async def test_our_own_page_can(browser: Browser) -> None:
    """As a browser says it."""
    csrf = (await browser.get("/")).csrf
    headers = {"Origin": browser.url, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.send("POST", "/sources/misskey/pause", {"csrf": csrf}, **headers)).status == 303


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8090",
        "127.0.0.1.evil.example",
        "x.local.evil",
        "[",
        "[x]",
        "a\u2100b",
        "",
    ],
)
async def test_a_name_that_a_stranger_owns_leads_nowhere(stranger: Browser, host: str) -> None:
    """It may lead here all the same: its owner only has to say so (DNS rebinding)."""
    answer = await stranger.get("/login", Host=host)
    assert answer.status == 421
    assert "console.secure_cookies" in answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8090", "[::1]:8090", "localhost", "192.0.2.7", "nas", "nas.local:8090", "LOCALHOST:1"]
)
async def test_an_address_and_a_name_of_the_house_lead_to_the_login(stranger: Browser, host: str) -> None:
    """Nobody outside can own them."""
    assert (await stranger.get("/login", Host=host)).status == 200


async def test_behind_tls_any_name_will_do(serve: Serve, browser_at: Any) -> None:
    """A browser has seen its certificate."""
    running = await serve(console={"secure_cookies": True})
    assert (await browser_at(running).get("/login", Host="console.example.org")).status == 200


async def test_a_link_on_another_site_leads_to_its_page(stranger: Browser) -> None:
    """On the first try a browser sends no cookie, so it is told to ask again, and then it does."""
    answer = await stranger.get("/sources", Sec_Fetch_Site="cross-site")
    assert answer.status == 200
    assert '<meta http-equiv="refresh" content="0">' in answer.text
    answer = await stranger.get("/sources", Sec_Fetch_Site="same-origin")
    assert answer.status == 303


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"password=\xff\xfe"),
        ("application/x-www-form-urlencoded", b"&a=1" * 101),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="password"; filename="f"\r\n\r\nx\r\n--x--\r\n',
        ),
        ("application/json", b"{}"),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused(
    stranger: Browser, content_type: str, body: bytes
) -> None:
    """It is nobody's mistake but the sender's."""
    headers = {"Content-Type": content_type}
    async with stranger.client.post(stranger.url + "/login", data=body, headers=headers) as answer:
        assert answer.status in (400, 415)


async def test_what_is_told_of_a_refused_form_is_true(console: Running, stranger: Browser) -> None:
    """Nothing was done: it is read before anything is."""
    headers = {"Authorization": f"Bearer {stranger.password}", "Content-Type": "application/json"}
    path = f"{stranger.url}/sources/misskey/pause"
    async with stranger.client.post(path, data=b"{}", headers=headers) as answer:
        assert answer.status == 415
        assert "nothing was done" in await answer.text()
    assert console.store.redis.hgetall(PAUSED_KEY) == {}


@pytest.mark.parametrize("charset", ["nonsense", "punycode", "utf-7", "unicode_escape"])
async def test_a_form_is_read_as_utf_8_whatever_it_says(stranger: Browser, charset: str) -> None:
    """To read Punycode of this size would take half a minute, and the console would stand still meanwhile."""
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    body = b"ignored=-" + b"b" * 200_000 + b"&password=" + stranger.password.replace(" ", "+").encode()
    async with stranger.client.post(
        f"{stranger.url}/login", data=body, headers=headers, allow_redirects=False
    ) as answer:
        assert answer.status == 303


async def test_a_compressed_form_that_breaks_off_is_refused(stranger: Browser) -> None:
    """As any that cannot be read."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    async with stranger.client.post(f"{stranger.url}/login", data=b"no gzip", headers=headers) as answer:
        assert answer.status == 400


async def test_a_form_that_does_not_come_is_not_waited_for(
    console: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever sends nothing would hold its connection for good."""
    monkeypatch.setattr(forms, "ARRIVES_SECONDS", 0.05)
    host, port = console.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\npassword="
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


async def test_a_form_that_is_too_large_is_refused(stranger: Browser) -> None:
    """Before it is kept."""
    assert (await stranger.log_in("x" * 300_000)).status == 413


async def test_every_answer_has_the_headers_that_keep_a_page_to_itself(
    browser: Browser, console: Running
) -> None:
    """Pages, refusals, redirects and files; nothing of a page is kept by a browser or a proxy."""
    for path in ("/", "/login", "/nothing", "/healthz", "/sources/misskey"):
        headers = (await browser.get(path)).headers
        policy = headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not any("unsafe" in part or "*" in part for part in policy)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


async def test_no_page_has_a_script_or_a_style_in_it(browser: Browser) -> None:
    """The browser would not run them: all of it is in two files."""
    for path in ("/", "/?hours=24", "/sources", "/sources/misskey", "/nothing"):
        page = (await browser.get(path)).text
        assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?! src=\"/static/)|javascript:", page) == []
