"""docs/reliability.md: its list of faults is that of the code, and its tables are those of a run."""

from __future__ import annotations

import pytest

from chaos.page import BEGIN, END, FAULTS, PAGE, RUN, between, faults


def test_the_page_lists_every_fault_as_the_code_tells_it() -> None:
    """`python -m chaos.page` writes it anew."""
    page = PAGE.read_text("utf-8")
    assert between(page, FAULTS, faults()) == page


def test_the_page_has_the_verdicts_of_a_run() -> None:
    """Every row of the table that is to be shown."""
    _, _, rest = PAGE.read_text("utf-8").partition(BEGIN.format(RUN))
    told, _, _ = rest.partition(END.format(RUN))
    for row in (
        "answered 2xx and never run",
        "recorded run repeated",
        "from a fault's end",
        "memory of each",
    ):
        assert f"| {row}" in told


def test_a_page_without_its_marks_is_not_written() -> None:
    """Rather than in the wrong place."""
    with pytest.raises(ValueError, match="lacks"):
        between("# A page", RUN, "text")
