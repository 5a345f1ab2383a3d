"""A browser's windows as a person sees them, and what went wrong in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request

from tests.pipeline.running import PASSWORD

PATIENCE_MS = 60_000
_IN_PAGE = Path(__file__).parent / "in_page"
_REPORT_CSP = """document.addEventListener("securitypolicyviolation", (event) => {
    console.error("refused by the policy:", event.violatedDirective, event.blockedURI);
})"""


async def ask(page: Page, question: str) -> Any:
    """What the script of this name in `in_page/` finds on the page."""
    return await page.evaluate(_script(question))


@cache
def _script(name: str) -> str:
    return (_IN_PAGE / f"{name}.js").read_text(encoding="utf-8")


class Window:
    """One window, and its tabs. Anything that a page tells the browser's console is a complaint."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.watch(page)
        page.context.on("page", self.watch)

    def watch(self, page: Page) -> None:
        """Hear what goes wrong in it, or in another tab of this window."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", self._dismiss)
        page.on("request", self._see)

    async def tab(self, path: str) -> Page:
        """Another tab."""
        page = await self.page.context.new_page()
        await page.goto(self.url + path)
        return page

    async def goto(self, path: str) -> None:
        """Open a page of the console."""
        await self.page.goto(self.url + path)

    async def log_in(self, password: str = PASSWORD) -> None:
        """Type the password into the form, and send it."""
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    def _hear(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.complaints.append(f"it asked {request.url}")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"it said {dialog.message!r}")
        await dialog.dismiss()


class Windows:
    """Every window of a test, each in a profile of its own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._contexts: list[BrowserContext] = []
        self._opened: list[Window] = []

    async def open(self, **options: Any) -> Window:
        """A window of somebody who is not logged in; options are the context's, as `viewport`."""
        context = await self._browser.new_context(**{"timezone_id": "Asia/Tokyo", **options})
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(_REPORT_CSP)
        self._contexts.append(context)
        window = Window(await context.new_page(), self._url)
        self._opened.append(window)
        return window

    async def logged_in(self, **options: Any) -> Window:
        """A window at the overview."""
        window = await self.open(**options)
        await window.goto("/login")
        await window.log_in()
        await window.page.wait_for_url(f"{self._url}/")
        return window

    async def close(self) -> list[str]:
        """Close them all; gives what went wrong."""
        for context in self._contexts:
            await context.close()
        return [complaint for window in self._opened for complaint in window.complaints]
