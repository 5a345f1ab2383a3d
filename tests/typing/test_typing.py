"""What a type checker says to plugin authors, asked of mypy itself."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
FOUND = re.compile(r"^.*?(?P<file>\w+\.py):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", re.MULTILINE)
EXPECTED = re.compile(r"# error: (?P<codes>.+)$")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], set[str]]:
    """The codes of mypy's errors by file and line."""
    options = ["--config-file", str(PROJECT / "pyproject.toml"), "--cache-dir", str(PROJECT / ".mypy_cache")]
    files = [*HERE.glob("[bg]*.py"), *(PROJECT / "examples/plugins").glob("*.py")]
    output, problems, _ = api.run([*options, *map(str, files)])
    assert not problems
    errors: dict[tuple[str, int], set[str]] = defaultdict(set)
    for match in FOUND.finditer(output):
        errors[match["file"], int(match["line"])].add(match["code"])
    assert errors, output
    return errors


def test_good_plugins_and_the_examples_have_no_errors(found: dict[tuple[str, int], set[str]]):
    """Under strict, which is what an author may have."""
    assert {place: codes for place, codes in found.items() if place[0] != "bad.py"} == {}


def test_every_mistake_is_found_where_it_is(found: dict[tuple[str, int], set[str]]):
    """And there is no error that the file doesn't announce."""
    lines = (HERE / "bad.py").read_text(encoding="utf-8").splitlines()
    announced = {
        ("bad.py", number): set(match["codes"].split(", "))
        for number, line in enumerate(lines, 1)
        if (match := EXPECTED.search(line))
    }
    assert {place: codes for place, codes in found.items() if place[0] == "bad.py"} == announced
