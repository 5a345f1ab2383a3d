"""docs/commands.md has every command and option, and no page shows one that there isn't."""

from __future__ import annotations

import re
from typing import Any

PAGE = "docs/commands.md"
TOLD_AT_THE_TOP = {"--help"}
_OPTION = re.compile(r"`(--[a-z][a-z-]*)")


def test_every_command_has_a_section(pages: dict[str, str], commands: dict[str, Any]) -> None:
    """Its heading is the command as one types it."""
    wanted = {f"## `hookline {name}`" for name in commands if name}
    assert wanted - set(pages[PAGE].splitlines()) == set()


def test_every_option_is_in_its_commands_section(pages: dict[str, str], commands: dict[str, Any]) -> None:
    """The options of `hookline` itself are in the text above the first section."""
    missing = {
        f"{name} {option}"
        for name, command in commands.items()
        for option in _options(command) - TOLD_AT_THE_TOP
        if option not in _section(pages[PAGE], name)
    }
    assert missing == set()


def test_every_argument_is_in_its_commands_section(pages: dict[str, str], commands: dict[str, Any]) -> None:
    """In capitals, as it stands in the usage: `ID`, `PROVIDER`, `TYPE`."""
    spelt = {"event_id": "ID", "bulk_id": "ID", "ids": "ids", "provider": "PROVIDER", "event_type": "TYPE"}
    arguments = [
        (name, param.name)
        for name, command in commands.items()
        for param in command.params
        if param.param_type_name == "argument"
    ]
    assert [(n, a) for n, a in arguments if spelt.get(a, a) not in _section(pages[PAGE], n)] == []


def test_no_option_is_documented_that_its_command_does_not_have(
    pages: dict[str, str], commands: dict[str, Any]
) -> None:
    """In the first column of a section's table, where the options are."""
    surplus = {
        f"{name} {option}"
        for name, command in commands.items()
        for row in _section(pages[PAGE], name).splitlines()
        if row.startswith("| `--")
        for option in _OPTION.findall(row.split(" | ")[0])
        if option not in _options(command)
    }
    assert surplus == set()


def test_every_command_line_in_the_docs_exists(
    command_lines: list[tuple[str, list[str]]], commands: dict[str, Any]
) -> None:
    """Its commands and its options; what it is given is its own affair."""
    assert len(command_lines) > 30
    wrong = [
        f"{page}: hookline {' '.join(words)}" for page, words in command_lines if not _exists(words, commands)
    ]
    assert wrong == []


def test_a_command_line_that_does_not_exist_is_noticed(commands: dict[str, Any]) -> None:
    """The check above would not be worth much otherwise."""
    assert _exists(["events", "show", "ID", "--json"], commands)
    assert not _exists(["event", "show"], commands)
    assert not _exists(["events", "show", "--jason"], commands)
    assert not _exists(["replay", "--once"], commands)


def _section(page: str, name: str) -> str:
    """The text of a command's section; above the first heading for `hookline` itself."""
    before, *sections = re.split(r"^## `hookline ([^`]+)`\n", page, flags=re.MULTILINE)
    return dict(zip(sections[::2], sections[1::2], strict=True)).get(name, "") if name else before


def _options(command: Any) -> set[str]:
    return {
        option
        for param in command.params
        if param.param_type_name == "option"
        for option in (*param.opts, *param.secondary_opts)
    } | {"--help"}


def _exists(words: list[str], commands: dict[str, Any]) -> bool:
    name = ""
    for number, word in enumerate(words):
        if word in ("…", "..."):
            return True
        below = f"{name} {word}".strip()
        if below not in commands:
            if number == 0 and not word.startswith("-"):
                return False
            break
        name = below
    shown = {word.partition("=")[0] for word in words if word.startswith("--")}
    return shown <= _options(commands[name])
