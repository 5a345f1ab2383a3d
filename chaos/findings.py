"""What the parts of a run found, gathered into the tables and the verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from chaos.bad_input import Finding
from chaos.memory import Growth
from chaos.records import Records
from chaos.report import (
    Table,
    count_table,
    fault_table,
    memory_table,
    show,
    show_evidence,
    verdict_table,
    write_json,
    write_markdown,
    write_records,
)
from chaos.verdicts import MET, NOT_MET, Row, judge_campaign, judge_memory


class Findings:
    """Each part is judged as it comes in; `report` says it all once more in the end."""

    def __init__(self, console: Console, folder: Path, results: Path, *, is_timed: bool = True) -> None:
        self._console, self._folder, self._results = console, folder, results
        self._is_timed = is_timed
        self._rows: list[Row] = []
        self._tables: list[Table] = []
        self._campaigns: dict[str, Records] = {}

    def add_campaign(self, name: str, records: Records) -> None:
        """Judge a campaign; the main one has no name."""
        title = f", {name}" if name else ""
        self._campaigns[name or "faults"] = records
        write_records(self._folder / f"{name or 'faults'}.json", records)
        self._rows += judge_campaign(records, name, is_timed=self._is_timed)
        for table in (fault_table(records, title), count_table(records, title)):
            self._add(table)

    def add_soak(self, found: Mapping[str, Growth], seconds: float) -> None:
        """Judge the soak."""
        self._rows.append(judge_memory(found, seconds))
        self._add(memory_table(found))

    def add_bad_input(self, found: Sequence[Finding]) -> None:
        """Take in the rows about bad input, which are judged already."""
        self._rows += [
            Row(
                each.row,
                each.must_be,
                each.measured,
                MET if each.met else NOT_MET,
                [each.detail] if each.detail and not each.met else (),
            )
            for each in found
        ]

    def report(self, about: Mapping[str, str]) -> int:
        """Show and write the verdicts; gives the exit status."""
        verdicts = verdict_table(self._rows)
        show(self._console, verdicts)
        show_evidence(self._console, self._rows)
        write_json(self._results, about, self._rows, self._campaigns)
        write_markdown(self._results.with_suffix(".md"), about, [verdicts, *self._tables])
        return 1 if any(row.is_failed for row in self._rows) else 0

    def _add(self, table: Table) -> None:
        self._tables.append(table)
        show(self._console, table)
