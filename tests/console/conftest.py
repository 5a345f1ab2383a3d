"""A real console on a free port, over a real Redis, spoken to as a browser and as a program do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, web
from redis import Redis

from hookline.settings import Settings
from hookline.store import Store
from hookline_console.app import make_app
from hookline_console.backend import open_backend
from hookline_console.passwords import Password

PASSWORD = "correct horse battery"
AS_BROWSER = {"Accept": "text/html,application/xhtml+xml"}
_CSRF = re.compile(r'name="csrf" (?:content|value)="(?P<csrf>[0-9a-f]{64})"')

SOURCES = {
    "misskey": {"provider": "misskey", "unverified": True},
    "team": {"provider": "esa", "unverified": True},
}


class Page:
    """An answer, read whole."""

    def __init__(self, status: int, headers: Any, text: str) -> None:
        self.status, self.headers, self.text = status, headers, text

    @property
    def csrf(self) -> str:
        """The token of the session that the page was made for."""
        found = _CSRF.search(self.text)
        assert found, self.text
        return found["csrf"]


class Browser:
    """One who keeps cookies and follows no redirects."""

    password = PASSWORD

    def __init__(self, client: ClientSession, url: str) -> None:
        self.client, self.url = client, url

    async def get(self, path: str, **headers: str) -> Page:
        """Look at a page."""
        return await self.send("GET", path, **headers)

    async def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Page:
        """Send a form; `csrf` is added where the form has none."""
        form = form or {}
        if "csrf" not in form:
            form = {**form, "csrf": (await self.get("/")).csrf}
        return await self.send("POST", path, form, **headers)

    async def send(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Page:
        """Send just this; `Sec_Fetch_Site="…"` is the header of that name."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(
            method, self.url + path, data=form, headers=AS_BROWSER | named, allow_redirects=False
        ) as answer:
            return Page(answer.status, answer.headers, await answer.text())

    async def log_in(self, password: str = PASSWORD) -> Page:
        """Log in."""
        return await self.send("POST", "/login", {"password": password})


class Running:
    """A console that is served."""

    def __init__(self, app: web.Application, url: str, store: Store) -> None:
        self.app, self.url, self.store = app, url, store


Serve = Callable[..., Any]


@pytest.fixture
async def serve(redis_url: str, redis: Redis) -> AsyncIterator[Serve]:
    """Serves a console with these settings beside Redis's: `await serve(console={…})`."""
    runners = []

    async def start(password: str = PASSWORD, options: Any = None, **sections: Any) -> Running:
        given = {"redis": {"url": redis_url}, "sources": SOURCES} | sections
        settings = Settings.model_validate(given)
        app = make_app(settings, Password(password.encode()), open_backend(settings), **options or {})
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        return Running(app, f"http://{host}:{port}", Store(redis))

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def console(serve: Serve) -> Running:
    """A console with two sources."""
    running: Running = await serve()
    return running


@pytest.fixture
async def browser_at() -> AsyncIterator[Callable[[Running], Browser]]:
    """Makes a browser for a console, nobody being logged in."""
    async with AsyncExitStack() as clients:

        def make(running: Running) -> Browser:
            client = ClientSession(cookie_jar=CookieJar(unsafe=True))
            clients.push_async_callback(client.close)
            return Browser(client, running.url)

        yield make


@pytest.fixture
async def stranger(console: Running, browser_at: Callable[[Running], Browser]) -> Browser:
    """Somebody who is not logged in."""
    return browser_at(console)


@pytest.fixture
async def browser(stranger: Browser) -> Browser:
    """Somebody who is."""
    assert (await stranger.log_in()).status == 303
    return stranger
