"""The pages themselves: links that lead somewhere, code that is Python, and a README that stays short."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

from hookline.testing import run_action, sample

ROOT = Path(__file__).parents[2]
README_LINES = 150
PICTURE_BYTES = 150_000
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def test_the_readme_is_short(pages: dict[str, str]) -> None:
    """What does not fit belongs on a page in docs/."""
    assert len(pages["README.md"].splitlines()) < README_LINES


def test_every_page_in_docs_can_be_found_from_the_readme(pages: dict[str, str]) -> None:
    """A page that nothing leads to is not read."""
    linked = {found["target"] for found in _LINK.finditer(pages["README.md"])}
    assert {page for page in pages if page.startswith("docs/")} - linked == set()


def test_every_relative_link_leads_somewhere(pages: dict[str, str]) -> None:
    """To a file of the repository, and to a heading of it where the link names one."""
    broken = [
        f"{page}: {found['target']}"
        for page, text in pages.items()
        for found in _LINK.finditer(_CODE.sub("", text))
        if not _leads_somewhere(page, found["target"], pages)
    ]
    assert broken == []


def test_every_python_block_compiles(blocks: list[Any]) -> None:
    """With its line in the page as the line of a SyntaxError."""
    python = [block for block in blocks if block.language == "python"]
    assert python
    for block in python:
        compile("\n" * block.line + textwrap.dedent(block.text), block.page, "exec")


def test_every_toml_block_can_be_read(blocks: list[Any]) -> None:
    """As a reader would paste it."""
    for block in blocks:
        if block.language == "toml":
            assert tomllib.loads(textwrap.dedent(block.text)), f"{block.page}:{block.line}"


def test_the_plugin_of_the_readme_runs(blocks: list[Any]) -> None:
    """Pasted into a file of that name, and given what `hookline send misskey mention` would send."""
    (block,) = [block for block in blocks if block.page == "README.md" and block.language == "python"]
    hello = ModuleType("hello")
    exec(compile(block.text, "plugins/hello.py", "exec"), vars(hello))
    outcome = run_action(hello.greet, sample("misskey", "mention"))
    assert outcome.state == "done"
    assert " wrote: " in outcome.logs[0]["event"]


def _leads_somewhere(page: str, target: str, pages: dict[str, str]) -> bool:
    if "://" in target or target.startswith("mailto:"):
        return True
    path, _, anchor = target.partition("#")
    file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    if not file.exists():
        return False
    return not anchor or anchor in _anchors(pages.get(str(file.relative_to(ROOT)), ""))


def _anchors(text: str) -> set[str]:
    """The headings as a link names them: lower case, dashes for spaces, the punctuation gone."""
    headings = _HEADING.findall(text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_test_that_a_page_names_is_there(pages: dict[str, str]) -> None:
    """Who reads that something is held by a test wants to see it."""
    sources = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    missing = [
        f"{page}: {name}"
        for page, text in pages.items()
        for name in re.findall(r"`(test_\w+)`", text)
        if not any(f"def {name}(" in source for source in sources.values())
    ]
    assert missing == []


def test_every_picture_is_shown_described_and_small(pages: dict[str, str]) -> None:
    """Whoever does not see it reads what is on it, and nobody waits for it."""
    shown = [
        (alt, ((ROOT / page).parent / target).resolve())
        for page, text in pages.items()
        for alt, target in _PICTURE.findall(_CODE.sub("", text))
    ]
    assert [file for alt, file in shown if len(alt.split()) < 3] == []
    stored = set((ROOT / "docs" / "images").iterdir())
    assert stored == {file for _, file in shown}
    assert [file.name for file in stored if file.stat().st_size > PICTURE_BYTES] == []
