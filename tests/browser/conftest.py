"""A real Chromium before a real Hookline. Whatever goes wrong in a window fails its test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from screenshots.chromium import MISSING, find_chromium, launch
from tests.browser.windows import PATIENCE_MS, Window, Windows
from tests.pipeline.running import Pipeline, running_pipeline

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They run on the event loop that the browser is spoken to on."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix() and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser; each window has a profile of its own."""
    program = find_chromium()
    if program is None:
        pytest.skip(MISSING)
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest) -> Iterator[Pipeline]:
    """Receiver, worker and console with the plugin that the module has in `PLUGIN`."""
    if find_chromium() is None:
        pytest.skip(MISSING)
    with running_pipeline() as made:
        made.plugin("own", request.module.PLUGIN)
        made.start_receiver()
        made.start_worker()
        made.start_console()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lasting_window(chromium: Browser, stack: Pipeline) -> AsyncIterator[Window]:
    """One window of somebody who is logged in for all tests of a module, which only look at pages."""
    opened = Windows(chromium, stack.console_url)
    yield await opened.logged_in()
    assert await opened.close() == []


@pytest_asyncio.fixture(loop_scope="session")
async def windows(chromium: Browser, stack: Pipeline) -> AsyncIterator[Windows]:
    """Opens windows, nobody being logged in; at the end nothing must have gone wrong in any."""
    opened = Windows(chromium, stack.console_url)
    yield opened
    complaints = await opened.close()
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def window(windows: Windows) -> Window:
    """Somebody who is logged in, at the overview."""
    return await windows.logged_in()
