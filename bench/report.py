"""What a person reads (in the terminal, and as Markdown for the documentation) and what a program reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from bench.contest import Findings, Samples, Table, median, spread
from bench.targets import Verdict

TARGET_COLUMNS = ("", "measured", "at least", "dreamt of", "verdict")
_COLOURS = {"dreamt of": "bold green", "met": "green", "short by": "red", "not measured": "yellow"}


def show_table(console: Console, table: Table) -> None:
    """A table in the terminal; figures to the right."""
    shown = RichTable(title=table.title, title_justify="left", title_style="bold", caption_justify="left")
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left")
    for row in table.rows:
        shown.add_row(*(escape(cell) for cell in row))
    console.print(shown)
    if table.note:
        console.print(f"[dim]{escape(table.note)}[/]")


def show_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """The table of targets."""
    shown = RichTable(title="Targets", title_justify="left", title_style="bold")
    for number, column in enumerate(TARGET_COLUMNS):
        shown.add_column(column, justify="right" if 0 < number < len(TARGET_COLUMNS) - 1 else "left")
    for verdict in verdicts:
        style = next(style for start, style in _COLOURS.items() if verdict.words.startswith(start))
        *cells, words = _target_row(verdict)
        shown.add_row(*map(escape, cells), f"[{style}]{escape(words)}[/]")
    console.print(shown)


def write_markdown(
    file: Path, machine: Mapping[str, str], findings: Iterable[Findings], verdicts: Sequence[Verdict]
) -> None:
    """Every table, the targets first."""
    facts = Table("Machine", ("", ""), [[name, text] for name, text in machine.items()])
    targets = Table("Targets", TARGET_COLUMNS, [_target_row(verdict) for verdict in verdicts])
    tables = [facts, targets, *(table for each in findings for table in each.tables)]
    file.write_text("\n".join(_markdown(table) for table in tables), encoding="utf-8")


def write_json(
    file: Path,
    *,
    about: Mapping[str, Any],
    findings: Sequence[Findings],
    verdicts: Sequence[Verdict],
) -> None:
    """Everything, every sample too."""
    rows = {}
    for each in findings:
        medians = {title: _medians(samples) for title, samples in each.samples.items()}
        rows[each.row] = asdict(each) | {"medians": medians}
    told = [
        {"figure": each.target.figure, "value": each.value, "range": each.range, "verdict": each.words}
        for each in verdicts
    ]
    results = {**about, "rows": rows, "verdicts": told}
    file.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _medians(samples: Samples) -> dict[str, dict[str, dict[str, float]]]:
    """For each contestant and figure: the median and the spread."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, taken in samples.items():
        figures = taken[0] if taken else {}
        found[name] = {
            figure: {
                "median": median(taken, figure),
                "least": spread(taken, figure)[0],
                "most": spread(taken, figure)[1],
            }
            for figure in figures
        }
    return found


def _target_row(verdict: Verdict) -> list[str]:
    target = verdict.target
    limits = [_figure(limit, target.unit) for limit in (target.least, target.dreamt)]
    return [target.what, _measured(verdict), *limits, verdict.words]


def _measured(verdict: Verdict) -> str:
    unit = verdict.target.unit
    if verdict.value is None:
        return "–"
    shown = _figure(verdict.value, unit)
    if verdict.range:
        low, high = (_number(value) for value in verdict.range)
        shown += f" ({low}–{high})"
    return shown


def _figure(value: float, unit: str) -> str:
    return f"{_number(value)} {unit}"


def _number(value: float) -> str:
    """Three digits, more where the number itself has more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _markdown(table: Table) -> str:
    rules = [" --- ", *[" ---: "] * (len(table.columns) - 1)]
    lines = [f"### {table.title}", "", "| " + " | ".join(table.columns) + " |", f"|{'|'.join(rules)}|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


def spread_text(samples: Samples, name: str, figure: str, digits: int = 0) -> str:
    """`median (least–most)` of a contestant's figure, or a dash when it was not measured."""
    if not samples.get(name):
        return "–"
    middle = f"{median(samples[name], figure):,.{digits}f}"
    if len(samples[name]) == 1:
        return middle
    low, high = spread(samples[name], figure)
    return f"{middle} ({low:,.{digits}f}–{high:,.{digits}f})"
