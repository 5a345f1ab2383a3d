"""The documentation, taken apart: its pages, the blocks in them, and the commands that they show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from hookline.cli import app

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^ *```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(hookline [^`\n]+)`")
_IN_CONTAINER = re.compile(r"^docker compose run --rm (?:cli )?")
_ENDS_A_COMMAND = re.compile(r"\s(?:[|;&>]|#\s).*$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str


@pytest.fixture(scope="session")
def pages() -> dict[str, str]:
    """Every Markdown page by its path from the root."""
    files = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in sorted(files)}


@pytest.fixture(scope="session")
def blocks(pages: dict[str, str]) -> list[Block]:
    """Every fenced block of every page."""
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])
        for page, text in pages.items()
        for found in _FENCE.finditer(text)
    ]


@pytest.fixture(scope="session")
def command_lines(pages: dict[str, str], blocks: list[Block]) -> list[tuple[str, list[str]]]:
    """Every `hookline …` that a page shows, as the page and the words after `hookline`."""
    shown = [(page, each) for page, text in pages.items() for each in _INLINE.findall(_FENCE.sub("", text))]
    shown += [(block.page, line) for block in blocks for line in _commands(block)]
    split = [(page, _words(line)) for page, line in shown]
    return [(page, words) for page, words in split if words]


@pytest.fixture(scope="session")
def commands() -> dict[str, Any]:
    """Every command of the Typer application by the words that call it; "" is `hookline` itself."""
    return dict(_walk(typer.main.get_command(app), ""))


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    yield name, command
    for word, below in getattr(command, "commands", {}).items():
        yield from _walk(below, f"{name} {word}".strip())


def _commands(block: Block) -> Iterator[str]:
    if block.language not in ("console", "sh", "bash", "shell"):
        return
    for line in block.text.splitlines():
        if block.language != "console":
            yield line.strip()
        elif line.lstrip().startswith("$ "):
            yield line.lstrip().removeprefix("$ ")


def _words(line: str) -> list[str]:
    """The words after `hookline`, or none where the line calls something else."""
    line = _IN_CONTAINER.sub("hookline ", _ENDS_A_COMMAND.sub("", line))
    words = shlex.split(line)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    return words[1:] if words and Path(words[0]).name == "hookline" else []
