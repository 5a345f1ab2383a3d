"""What comes while one watches: the parts that change, and an end with the login or the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientResponse
from redis import ConnectionError as RedisConnectionError

from hookline.keys import COUNTERS_KEY, SESSION_PREFIX
from hookline_console.lookout import Away, Lookout
from hookline_console.state import CONSOLE

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve

PATIENCE_SECONDS = 20.0
QUICK = {"look_seconds": 0.01, "heartbeat_seconds": 0.02}
"""So that nothing has to be waited for."""


@pytest.fixture
async def console(serve: Serve) -> Running:
    """A console that looks all the time."""
    running: Running = await serve(options=QUICK)
    return running


@asynccontextmanager
async def watching(browser: Browser, path: str) -> AsyncIterator[ClientResponse]:
    """An open stream."""
    headers = {"Accept": "text/event-stream"}
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with browser.client.get(browser.url + path, headers=headers) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            yield answer


async def lines(answer: ClientResponse) -> AsyncGenerator[str, None]:
    """Its lines until it ends."""
    while line := await answer.content.readline():
        yield line.decode().rstrip("\n")


async def next_parts(answer: ClientResponse, wanted: str) -> dict[str, str]:
    """The parts of the next message that has this text in it."""
    async for line in lines(answer):
        if line.startswith("data: ") and wanted in line:
            parts: dict[str, str] = json.loads(line.removeprefix("data: "))
            return parts
    pytest.fail(f"the stream ended without {wanted!r}")


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/overview/stream", "numbers"),
        ("/sources/stream", "list"),
        ("/sources/misskey/stream", "now"),
    ],
)
async def test_a_page_is_told_of_what_changes(
    browser: Browser, console: Running, path: str, part: str
) -> None:
    """Each part is the HTML that the page itself would have, and only those come that are new."""
    async with watching(browser, path) as answer:
        first = await next_parts(answer, part)
        assert "1,234" not in first[part]
        console.store.redis.hset(COUNTERS_KEY, "open:misskey", 1234)
        later = await next_parts(answer, "1,234")
        assert "1,234" in later[part]
        assert set(later) <= set(first)
        assert "charts" not in later


async def test_forms_in_a_part_work_for_whoever_gets_it(browser: Browser) -> None:
    """They have the token of the session that watches."""
    csrf = (await browser.get("/")).csrf
    async with watching(browser, "/sources/stream") as answer:
        assert csrf in (await next_parts(answer, "list"))["list"]


async def test_a_stream_ends_with_its_login(browser: Browser, console: Running) -> None:
    """Whoever is logged out sees nothing more."""
    async with watching(browser, "/overview/stream") as answer:
        await next_parts(answer, "numbers")
        (key,) = console.store.redis.keys(f"{SESSION_PREFIX}*")
        console.store.redis.delete(key)
        async for _ in lines(answer):
            pass
        assert answer.content.at_eof()


async def test_a_stream_ends_with_the_process(browser: Browser, console: Running) -> None:
    """Cleanly, at once, and without holding up its end."""
    async with watching(browser, "/overview/stream") as answer:
        await next_parts(answer, "numbers")
        await console.app.shutdown()
        async for _ in lines(answer):
            pass
        assert answer.content.at_eof()


async def test_redis_is_asked_only_while_somebody_watches(browser: Browser, console: Running) -> None:
    """The one reader begins with the first viewer, and ends with the last."""
    lookout: Any = console.app[CONSOLE].lookout
    assert lookout._task is None
    async with watching(browser, "/overview/stream") as answer, watching(browser, "/sources/stream") as other:
        await next_parts(answer, "numbers")
        await next_parts(other, "list")
        assert len(lookout._viewers) == 2
        task = lookout._task
    await asyncio.wait({task}, timeout=PATIENCE_SECONDS)  # the server notices with its next heartbeat
    assert lookout._task is None
    assert lookout._viewers == set()


async def test_all_who_watch_dead_letters_share_one_reader(browser: Browser, console: Running) -> None:
    """There may be thousands of groups: a reader for each viewer would leave nothing for the other pages."""
    lookout: Any = console.app[CONSOLE].failures
    async with watching(browser, "/dead/live") as answer, watching(browser, "/dead/live") as other:
        for each in (answer, other):
            assert "There are none" in (await next_parts(each, "groups"))["groups"]
        assert len(lookout._viewers) == 2


async def test_all_viewers_share_one_reader() -> None:
    """However many there are."""
    readings = 0

    async def read() -> int:
        nonlocal readings
        readings += 1
        return readings

    lookout = Lookout(read, 3600)
    async with aclosing(lookout.readings()) as first, aclosing(lookout.readings()) as second:
        assert await asyncio.gather(anext(first), anext(second)) == [1, 1]
    assert readings == 1


async def test_a_slow_viewer_misses_readings_and_holds_up_nobody() -> None:
    """It gets the latest, and no queue grows behind it."""
    told = asyncio.Queue[int]()
    lookout = Lookout(told.get, 0)
    async with aclosing(lookout.readings()) as slow, aclosing(lookout.readings()) as quick:
        told.put_nowait(0)
        assert await asyncio.gather(anext(slow), anext(quick)) == [0, 0]
        for number in range(1, 10):
            told.put_nowait(number)
            assert await anext(quick) == number
        assert await anext(slow) == 9


async def test_viewers_are_told_that_redis_is_away_and_then_it_goes_on() -> None:
    """A reader that fails is not the end of what one watches."""
    outcomes: list[Any] = [RedisConnectionError("refused"), 7]

    async def read() -> int:
        outcome = outcomes.pop(0) if outcomes else 7
        if isinstance(outcome, Exception):
            raise outcome
        return int(outcome)

    async with aclosing(Lookout(read, 0, most_waiting=10).readings()) as readings:
        assert await anext(readings) == Away("refused")
        assert await anext(readings) == 7
