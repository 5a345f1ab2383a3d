"""The Chromium that is installed here, started so that it asks nobody anything; the tests use it, too."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from playwright.async_api import Browser, Playwright

VARIABLE = "CHROMIUM"
MISSING = f"no Chromium is here; install Debian's package, or name the program in {VARIABLE}"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> Path | None:
    """The program that `CHROMIUM` names, or else one on the path; None without any."""
    names = [named] if (named := os.environ.get(VARIABLE)) else _NAMES
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


async def launch(playwright: Playwright, program: Path) -> Browser:
    """Start it, with a profile of its own that is gone afterwards."""
    is_root = os.geteuid() == 0  # its sandbox does not start then
    return await playwright.chromium.launch(
        executable_path=program, args=_QUIET, chromium_sandbox=not is_root, headless=True
    )
