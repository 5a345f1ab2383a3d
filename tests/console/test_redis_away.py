"""Redis away: every page says so, tells strangers nothing, and comes back by itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hookline.embedded import EmbeddedRedis

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve


@pytest.fixture
def own_redis() -> Iterator[EmbeddedRedis]:
    """A Redis of this test's alone, which may go."""
    folder = Path(tempfile.mkdtemp(prefix="hl-"))
    with EmbeddedRedis(folder) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture
async def browser(serve: Serve, browser_at: Any, own_redis: EmbeddedRedis) -> Browser:
    """Somebody who is logged in at a console over it."""
    running: Running = await serve(redis={"url": own_redis.url})
    browser: Browser = browser_at(running)
    assert (await browser.log_in()).status == 303
    return browser


async def test_a_page_says_that_redis_is_away_and_is_back_with_it(
    browser: Browser, own_redis: EmbeddedRedis
) -> None:
    """It asks again by itself; the login has outlived it, since it is in Redis."""
    own_redis.stop()
    for path in ("/", "/sources", "/sources/misskey"):
        page = await browser.get(path)
        assert (page.status, page.headers["Retry-After"]) == (503, "5")
        assert "Redis does not answer" in page.text
        assert '<meta http-equiv="refresh" content="5">' in page.text
    own_redis.start()
    assert (await browser.get("/")).status == 200


async def test_what_was_asked_for_meanwhile_is_not_asked_for_again(
    browser: Browser, own_redis: EmbeddedRedis
) -> None:
    """Nobody knows whether it was done, and the page does not repeat it by itself."""
    csrf = (await browser.get("/")).csrf
    own_redis.stop()
    page = await browser.send("POST", "/sources/misskey/pause", {"csrf": csrf})
    assert page.status == 503
    assert "is not known" in page.text
    assert 'http-equiv="refresh"' not in page.text


async def test_a_stranger_learns_nothing_of_redis(browser: Browser, own_redis: EmbeddedRedis) -> None:
    """Neither where it is nor what it says; and with the right password one gets no further."""
    own_redis.stop()
    browser.client.cookie_jar.clear()
    assert (await browser.get("/")).status == 303
    page = await browser.log_in()
    assert page.status == 503
    assert str(own_redis.folder) not in page.text
    answer = await browser.get("/", Accept="application/json", Cookie="hookline=made-up")
    assert answer.status == 503
    assert str(own_redis.folder) not in answer.text


async def test_the_console_is_alive_without_redis(browser: Browser, own_redis: EmbeddedRedis) -> None:
    """Restarting it would mend nothing."""
    own_redis.stop()
    browser.client.cookie_jar.clear()
    assert (await browser.get("/healthz")).status == 200
    assert (await browser.get("/login")).status == 200
