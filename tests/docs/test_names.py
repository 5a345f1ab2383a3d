"""What authors and operators meet is in the docs: public names, events, fields, keys, log lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

import hookline
from hookline import esa, keys, misskey
from hookline.queue import QueueKeys

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / folder for folder in ("shared", "receiver", "worker", "console")]
LEVELS = ("warning", "error", "critical", "exception")
NOT_FOR_AUTHORS = {"PROVIDER"}


@pytest.mark.parametrize("name", hookline.__all__)
def test_every_public_name_is_in_the_docs(name: str, pages: dict[str, str]) -> None:
    """On some page, as a word."""
    assert any(re.search(rf"\b{name}\b", text) for page, text in pages.items() if page.startswith("docs/"))


@pytest.mark.parametrize("provider", [misskey, esa])
def test_every_event_has_its_row(provider: ModuleType, pages: dict[str, str]) -> None:
    """In docs/providers.md: the class, the full name of its type, and what happened."""
    name = provider.PROVIDER.name
    rows = [f"| `{name}.{event.__name__}` | `{name}.{event.kind}` | " for event in provider.PROVIDER.events]
    lines = pages["docs/providers.md"].splitlines()
    assert [row for row in rows if not any(line.startswith(row) for line in lines)] == []


@pytest.mark.parametrize("provider", [misskey, esa])
def test_every_name_of_a_provider_is_in_the_docs(provider: ModuleType, pages: dict[str, str]) -> None:
    """The parts of events too, since authors annotate with them."""
    missing = [
        name
        for name in set(provider.__all__) - NOT_FOR_AUTHORS
        if not re.search(rf"`(?:\w+\.)?{name}`", pages["docs/providers.md"])
    ]
    assert missing == []


@pytest.mark.parametrize("provider", [misskey, esa])
def test_every_field_and_property_is_in_the_docs(provider: ModuleType, pages: dict[str, str]) -> None:
    """By its own name, in the part of docs/providers.md that is about this provider."""
    page = pages["docs/providers.md"]
    start = page.index({"misskey": "## Misskey", "esa": "## esa"}[provider.PROVIDER.name])
    about = page[start : page.index("\n## ", start + 1)]
    missing = [
        f"{model.__name__}.{name}"
        for model in (getattr(provider, name) for name in provider.__all__)
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name in {*model.model_fields, *_properties(model)}
        if not re.search(rf"`{name}(?:\(.*?\))?`", about)
    ]
    assert missing == []


def test_every_redis_key_is_in_the_docs(pages: dict[str, str]) -> None:
    """Hookline's own, and those of RQ's that the scripts write."""
    page = pages["docs/architecture.md"]
    own = [value for name, value in vars(keys).items() if name.endswith(("_PREFIX", "_KEY"))]
    rq = QueueKeys("<name>")
    of_rq = [rq.queue, rq.lane("<lane>"), rq.intermediate, rq.started, rq.scheduled]
    assert [key for key in [*own, *of_rq] if f"`{key}" not in page] == []


def test_every_script_is_in_the_docs(pages: dict[str, str]) -> None:
    """Each is a step in an event's life."""
    names = [script.name for script in (ROOT / "shared/hookline/lua").glob("*.lua")]
    assert names
    assert [name for name in names if f"`{name}`" not in pages["docs/architecture.md"]] == []


def test_every_log_line_that_is_a_warning_or_worse_is_in_the_docs(pages: dict[str, str]) -> None:
    """docs/operating.md says what it means and what to do; `logger.error` of an action is its author's."""
    said = {message for folder in SOURCES for file in folder.rglob("*.py") for message in _messages(file)}
    assert len(said) > 20
    assert {message for message in said if message not in pages["docs/operating.md"]} == set()


def test_no_log_line_is_in_the_docs_that_nothing_says(pages: dict[str, str]) -> None:
    """The second column of the tables of docs/operating.md."""
    said = {message for folder in SOURCES for file in folder.rglob("*.py") for message in _messages(file)}
    rows = re.findall(
        r"^\| (?:warning|error|critical) \| `([^`]+)` \|", pages["docs/operating.md"], re.MULTILINE
    )
    assert [row for row in rows if not any(message in row for message in said)] == []


def _messages(file: Path) -> Iterator[str]:
    """What is logged at these levels; of an f-string its longest fixed part."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[message, *_]):
                if level in LEVELS:
                    yield _fixed_part(message)


def _fixed_part(message: ast.expr) -> str:
    parts = message.values if isinstance(message, ast.JoinedStr) else [message]
    texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    assert texts, f"a log message that starts with no text, at line {message.lineno}"
    return max(texts, key=len).strip()


def _properties(model: type) -> set[str]:
    return {
        name
        for each in model.__mro__
        if each.__module__.startswith("hookline.")
        for name, value in vars(each).items()
        if isinstance(value, property) and not name.startswith("_")
    }
