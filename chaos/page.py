"""`python -m chaos.page RESULTS.md`: put the tables of a run into docs/reliability.md, between its marks."""

from __future__ import annotations

import sys
from pathlib import Path

from chaos.failover import KINDS as FAILOVERS
from chaos.faults import KINDS

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: {} -->", "<!-- end: {} -->"
RUN, FAULTS = "a run", "faults"


def main() -> int:
    """Rewrite the page."""
    text = between(PAGE.read_text("utf-8"), RUN, Path(sys.argv[1]).read_text("utf-8"))
    PAGE.write_text(between(text, FAULTS, faults()), encoding="utf-8")
    return 0


def between(page: str, name: str, text: str) -> str:
    """The page with this text between the marks of this name."""
    begin, end = BEGIN.format(name), END.format(name)
    before, found, rest = page.partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        raise ValueError(f"{PAGE} lacks {begin} or {end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"


def faults() -> str:
    """The table of all faults, each told by the docstring of what causes it."""
    lines = ["| fault | what happens |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{kind.name}` | {kind.text} |" for kind in (*KINDS, *FAILOVERS))])


if __name__ == "__main__":
    sys.exit(main())
