"""Take every picture, into docs/images."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from hookline.figures import read_figures
from hookline.filters import Filter
from hookline.index import search
from hookline.store import Store
from screenshots.chromium import MISSING, find_chromium, launch
from screenshots.history import spread_over_an_hour
from screenshots.scene import PASSWORD, PLUGINS, Scene, scene
from screenshots.smaller import smaller

FOLDER = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 150_000
_WIDE, _LOW, _PHONE = (1200, 900), (1200, 420), (390, 844)
_EVERYWHERE = """([host, plugins]) => {
    // what is this machine's own has no place in a picture, and not every machine has a font of emoji
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        node.data = node.data
            .replaceAll(host, "server-1")
            .replaceAll(plugins, "/srv/plugins")
            .replace(/unix:\\/\\S+/, "redis://127.0.0.1:6379/0")
            .replace(/\\p{Emoji_Presentation}/gu, "");
    }
}"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A page as it is shown."""

    name: str
    path: str
    size: tuple[int, int] = _WIDE
    is_dark: bool = False
    opens: str = ""
    """What is opened before, the last one of this name."""


def main() -> int:
    """Take them; 1 where there is no Chromium, or a picture is too large for a page."""
    program = find_chromium()
    if program is None:
        print(MISSING, file=sys.stderr)  # noqa: T201 (for a person)
        return 1
    with tempfile.TemporaryDirectory(prefix="hl-") as folder, scene(Path(folder)) as shown:
        spread_over_an_hour(shown.store)
        return asyncio.run(_take_all(program, shown))


def pictures(store: Store) -> list[Picture]:
    """What is to be seen."""
    failed = search(store, Filter(state="dead", type="misskey.reaction")).events[0].id
    return [
        Picture("overview", "/"),
        Picture("dark", "/", is_dark=True),
        Picture("phone", "/", _PHONE),
        Picture("events", "/events"),
        Picture("event", f"/events/{failed}", opens="Traceback"),
        Picture("dead-letters", "/dead", _LOW),
        Picture("sources", "/sources", _LOW),
    ]


async def _take_all(program: Path, shown: Scene) -> int:
    FOLDER.mkdir(exist_ok=True)
    too_large = 0
    async with async_playwright() as playwright:
        browser = await launch(playwright, program)
        for picture in pictures(shown.store):
            file = FOLDER / f"console-{picture.name}.png"
            file.write_bytes(smaller(await _take(browser, shown, picture)))
            size = file.stat().st_size
            too_large += size > MOST_BYTES
            print(f"{file.relative_to(FOLDER.parents[1])}  {size / 1000:.0f} kB")  # noqa: T201
        await browser.close()
    return min(1, too_large)


async def _take(browser: Browser, shown: Scene, picture: Picture) -> bytes:
    width, height = picture.size
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.is_dark else "light",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await _log_in(page, shown.url)
    await page.goto(shown.url + picture.path)
    if picture.opens:
        await page.get_by_text(picture.opens, exact=True).last.click()
        await page.mouse.move(0, 0)
    host = read_figures(shown.store).workers[0].host
    await page.evaluate(_EVERYWHERE, [host, str(PLUGINS)])
    taken = await page.screenshot()
    await context.close()
    return taken


async def _log_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/login")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"{url}/")


if __name__ == "__main__":
    sys.exit(main())
