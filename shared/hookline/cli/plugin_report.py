"""What the plugins declare, asked of the worker in a process of its own: this side never imports a plugin."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hookline.environment import CONFIG_VARIABLE

TIMEOUT_SECONDS = 60.0
_COMMAND = (sys.executable, "-m", "hookline_worker", "plugins", "--json")


class DeclaredAction(BaseModel):
    """An action as its plugin declares it; None where the worker's settings decide."""

    model_config = ConfigDict(frozen=True)

    name: str
    plugin: str
    matches: tuple[str, ...]
    sources: tuple[str, ...] = ()
    attempts: int | None = None
    timeout_seconds: float | None = None
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """`file:line`, relative to the current folder where that is shorter."""
        path = Path(self.file)
        shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"{shown}:{self.line}" if self.file else ""


class PluginReport(BaseModel):
    """Every action that was found, and what is wrong with the plugins, each problem in a line or more."""

    model_config = ConfigDict(frozen=True)

    actions: tuple[DeclaredAction, ...]
    problems: tuple[str, ...]


def read_plugins(config: Path | None = None) -> PluginReport:
    """The report on the plugins that the settings of `config` name; what goes wrong is a problem in it."""
    if find_spec("rq") is None or find_spec("hookline_worker") is None:
        return _problem(
            "the worker is not installed here, so plugins cannot be read: pip install 'hookline[worker]'"
        )
    environment = dict(os.environ)
    if config:
        environment[CONFIG_VARIABLE] = str(config)
    try:
        run = subprocess.run(  # noqa: S603 (our own worker)
            _COMMAND,
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return _problem(
            f"reading the plugins took longer than {TIMEOUT_SECONDS:g} s; does one wait while imported?"
        )
    return _parsed(run.stdout) or _problem(_why_none(run))


def _parsed(output: str) -> PluginReport | None:
    """The report: all of the output, or the last line that is one, since plugins may print while imported."""
    for text in (output, *reversed(output.splitlines())):
        with contextlib.suppress(ValidationError):
            return PluginReport.model_validate_json(text)
    return None


def _why_none(run: subprocess.CompletedProcess[str]) -> str:
    last_words = "\n".join(run.stderr.strip().splitlines()[-5:]) or "it said nothing"
    return f"reading the plugins ended with status {run.returncode}: {last_words}"


def _problem(reason: str) -> PluginReport:
    return PluginReport(actions=(), problems=(reason,))
