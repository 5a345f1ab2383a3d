"""What `hookline check` found out: each thing that is right, doubtful or wrong, and how to mend it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import typer
from rich.console import Console
from rich.text import Text

from hookline.references import strike_out


class Grade(Enum):
    """How a finding is: its mark, and the colour of the mark."""

    RIGHT = ("✓", "green")
    DOUBTFUL = ("!", "yellow")
    WRONG = ("✗", "red")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` says what to do about it."""

    grade: Grade
    subject: str
    told: str
    mend: str = ""


def right(subject: str, told: str) -> Finding:
    """A finding that is as it should be."""
    return Finding(Grade.RIGHT, subject, told)


def doubtful(subject: str, told: str, mend: str = "") -> Finding:
    """A finding to think about; it fails nothing."""
    return Finding(Grade.DOUBTFUL, subject, told, mend)


def wrong(subject: str, told: str, mend: str = "") -> Finding:
    """A finding that must be mended."""
    return Finding(Grade.WRONG, subject, told, mend)


def print_json(findings: Sequence[Finding]) -> None:
    """Prints them as JSON, one object a line."""
    for finding in findings:
        told = {"grade": finding.grade.name.lower(), "subject": finding.subject}
        told |= {"told": strike_out(finding.told)} | ({"mend": finding.mend} if finding.mend else {})
        typer.echo(json.dumps(told, ensure_ascii=False))


def print_findings(findings: Sequence[Finding]) -> None:
    """Prints them one below the other, then how many are wrong and doubtful."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark, colour = finding.grade.value
        line = Text.assemble(
            (mark, f"bold {colour}"), " ", (finding.subject, "bold"), ": ", strike_out(finding.told)
        )
        if finding.mend:
            line.append(f"\n  → {finding.mend}")
        console.print(line)
    counts = {grade: sum(finding.grade is grade for finding in findings) for grade in Grade}
    console.print(
        f"\n{counts[Grade.WRONG]} wrong, {counts[Grade.DOUBTFUL]} doubtful, {counts[Grade.RIGHT]} right"
    )
