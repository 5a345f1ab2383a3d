"""What a person reads, in the terminal and as Markdown for the documentation, and what a program reads."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from chaos.losses import count_answers
from chaos.memory import MEBIBYTE, Growth
from chaos.records import Records
from chaos.repeats import find_repeats
from chaos.verdicts import MET, NOT_MET, Row, recoveries

MOST_EVIDENCE = 20
COLUMNS = ("", "must be", "was", "verdict")
_STYLES = {MET: "green", NOT_MET: "bold red"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table for a person: every cell ready to be read."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def verdict_table(rows: Sequence[Row]) -> Table:
    """The rows that `make chaos` is judged by."""
    return Table("What was promised", COLUMNS, [[r.what, r.must_be, r.was, r.verdict] for r in rows])


def fault_table(records: Records, name: str) -> Table:
    """Each kind of fault: how often, and how long its backlogs lasted."""
    by_name = defaultdict(list)
    for each in recoveries(records):
        by_name[each.fault.name].append(each)
    rows = [
        [
            kind,
            str(len(found)),
            f"{max(each.backlog for each in found)}",
            " ".join(_seconds(each.seconds) for each in found),
        ]
        for kind, found in sorted(by_name.items())
    ]
    rows += [[kind, "0", "–", f"skipped: {reason}"] for kind, reason in records.skipped.items()]
    return Table(f"Faults{name}", ("fault", "times", "backlog, at most", "seconds until it was empty"), rows)


def count_table(records: Records, name: str) -> Table:
    """What was answered, and what was run again."""
    answers = count_answers(records)
    repeats = find_repeats(records).excused
    rows = [[f"answered {what}", f"{count:,}"] for what, count in sorted(answers.items())]
    rows += [
        [f"run again, its process killed by {why}", str(count)] for why, count in sorted(repeats.items())
    ]
    rows += [
        ["deliveries", f"{len({answer.delivery for answer in records.answers}):,}"],
        ["events stored", f"{len(records.stored):,}"],
        ["actions called", f"{len(records.executions):,}"],
        ["deliveries that went through a spool", f"{records.spooled:,}"],
    ]
    return Table(f"Counts{name}", ("", "number"), rows)


def memory_table(found: Mapping[str, Growth]) -> Table:
    """Each process of the soak."""
    rows = [
        [name, f"{grown.median_bytes / MEBIBYTE:.1f}", f"{grown.grown_bytes / MEBIBYTE:+.2f}"]
        for name, grown in sorted(found.items())
    ]
    return Table("Memory", ("process", "resident, MiB", "growth, MiB"), rows)


def show(console: Console, table: Table) -> None:
    """A table in the terminal."""
    shown = RichTable(title=table.title, title_justify="left", title_style="bold")
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*(_styled(cell) for cell in row))
    console.print(shown)


def show_evidence(console: Console, rows: Sequence[Row]) -> None:
    """What speaks against the rows that are not met."""
    for row in rows:
        for line in row.against[:MOST_EVIDENCE]:
            console.print(f"[red]{escape(row.what)}:[/] {escape(line)}")
        if len(row.against) > MOST_EVIDENCE:
            console.print(f"[red]… and {len(row.against) - MOST_EVIDENCE} more[/]")


def write_json(
    file: Path, about: Mapping[str, Any], rows: Sequence[Row], campaigns: Mapping[str, Records]
) -> None:
    """The verdicts with all that speaks against them, and every fault."""
    told = {
        **about,
        "rows": [asdict(row) for row in rows],
        "campaigns": {name: _summary(records) for name, records in campaigns.items()},
    }
    file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_records(file: Path, records: Records) -> None:
    """Everything that a campaign was judged by, to be looked into when a row is not met."""
    file.write_text(json.dumps(asdict(records)) + "\n", encoding="utf-8")


def write_markdown(file: Path, facts: Mapping[str, str], tables: Sequence[Table]) -> None:
    """Every table, for docs/reliability.md."""
    text = [_markdown(table) for table in tables]
    text.append(_markdown(Table("The run", ("", ""), [list(fact) for fact in facts.items()])))
    file.write_text("\n".join(text), encoding="utf-8")


def _summary(records: Records) -> dict[str, Any]:
    faults = [
        asdict(each.fault)
        | {
            "backlog": each.backlog,
            "recovered_after": None if math.isinf(each.seconds) else round(each.seconds, 3),
        }
        for each in recoveries(records)
    ]
    repeats = find_repeats(records)
    return {
        "seconds": round(records.ended - records.began, 1),
        "answers": dict(count_answers(records)),
        "repeats": dict(repeats.excused),
        "faults": faults,
        "skipped": records.skipped,
        "events": len(records.stored),
        "executions": len(records.executions),
    }


def _styled(cell: str) -> str:
    style = _STYLES.get(cell) or ("yellow" if cell.startswith("skipped") else "")
    return f"[{style}]{escape(cell)}[/]" if style else escape(cell)


def _seconds(seconds: float) -> str:
    return "never" if math.isinf(seconds) else f"{seconds:.1f}"


def _markdown(table: Table) -> str:
    lines = [f"### {table.title}", "", "| " + " | ".join(table.columns) + " |"]
    lines.append("|" + " --- |" * len(table.columns))
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"
