"""The two commands that a newcomer types first, as a newcomer types them: in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.senders import sender_types

HOOKLINE = [sys.executable, "-c", "from hookline.cli import main; main()"]
TYPES = [f"{provider}.{kind}" for provider in ("misskey", "esa") for kind in sender_types(provider)]
PATIENCE_SECONDS = 60.0

PLUGIN = """
from hookline import action, misskey

@action(misskey.Mention)
def greet(event, ctx):
    ctx.log.info("WORD")
"""


class Screen:
    """A command that runs on, and what it has written so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.text = ""
        self.process = subprocess.Popen(
            [*HOOKLINE, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while part := self.process.stdout.read1(65536):
            self.text += part.decode()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match on the screen."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self.text)):
            if time.monotonic() > until or self.process.poll() is not None:
                pytest.fail(f"{pattern!r} did not come; the screen:\n{self.text}")
            time.sleep(0.05)
        return found

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it: to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """End it, however the test left it."""
        if self.process.poll() is None:
            self.interrupt()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder, of a short name for the socket in it."""
    with tempfile.TemporaryDirectory(prefix="hl-") as name:
        yield Path(name)


def test_the_demo_shows_every_type_and_ends_well(folder: Path) -> None:
    """Exit status 0 and the sum as the last line, with every type in the table."""
    run = subprocess.run(
        [*HOOKLINE, "demo", "--once"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "160", "HOME": str(folder)},
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines()[-1] == f"demo: {len(TYPES) + 1} events in, {len(TYPES) - 2} done, 3 dead"
    for kind in TYPES:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower()
        assert name in run.stdout
    assert "1 a repeat of one seen before, 1 refused" in run.stdout


def test_dev_runs_a_plugin_and_loads_it_anew_when_it_is_saved(folder: Path) -> None:
    """A mention is sent, the plugin is mended on the way, and Ctrl-C ends everything with status 0."""
    plugins = folder / "plugins"
    plugins.mkdir()
    (plugins / "hello.py").write_text(PLUGIN.replace("WORD", "first version"))
    (folder / "hookline.toml").write_text('[spool]\nfolder = "for another redis"\n')
    screen = Screen(folder, "dev", "--port", "0")
    try:
        url = screen.wait_for(r"http://127\.0\.0\.1:\d+/hooks/misskey").group()
        _send(folder, url)
        screen.wait_for("first version")
        screen.wait_for(r"misskey\.mention +done +hello\.greet ok")

        (plugins / "hello.py").write_text("def broken(:\n")
        screen.wait_for(r"plugin 'hello' .*hello\.py:1")
        _send(folder, url)
        (plugins / "hello.py").write_text(PLUGIN.replace("WORD", "second version"))
        screen.wait_for("second version")

        assert screen.interrupt() == 0
        assert not (folder / "for another redis").exists()
    finally:
        screen.close()


def _send(folder: Path, url: str) -> None:
    sent = subprocess.run(
        [*HOOKLINE, "send", "misskey", "mention", "--url", url, "--secret", "env:DEV"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "DEV": "dev-secret"},
    )
    assert (sent.returncode, "202" in sent.stdout) == (0, True), sent.stdout + sent.stderr
