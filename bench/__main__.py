"""`python -m bench`: install what is compared, measure row by row, and print the table of targets."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError
from bench.install import install
from bench.machine import describe
from bench.report import show_table, show_verdicts, write_json, write_markdown
from bench.targets import Verdict, verdicts
from bench.versions import versions

ROWS = ("ingest", "drain", "slow", "latency", "burst", "growth", "search", "scale")
FOLDER = Path(".bench")
FSYNC = "everysec where a table doesn't say otherwise; append-only file on, no rewriting of it meanwhile"


def main() -> int:
    """Run the bench; 0 when every row ran to its end, whatever its verdict."""
    options = _options()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    bench = _prepare(console, quick=options.quick)
    about = _about(bench)
    for name, text in about["machine"].items():
        console.print(f"[dim]{name}:[/] {escape(text)}")
    findings: list[Findings] = []
    reasons: dict[str, str] = {}
    for row in options.only or ROWS:
        found = _measure(bench, row, reasons)
        if found:
            findings.append(found)
            reasons.update(found.missing)
        judged = _judge(findings, reasons)
        # After each row: a bench that is interrupted has told what it knew.
        write_json(options.results, about=about, findings=findings, verdicts=judged)
        write_markdown(options.results.with_suffix(".md"), about["machine"], findings, judged)
    show_verdicts(console, _judge(findings, reasons))
    console.print(f"Every sample: {options.results}")
    bench.clean()
    return 0 if len(findings) == len(options.only or ROWS) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes: under 3 minutes")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--results", type=Path, default=Path("bench-results.json"))
    return parser.parse_args()


def _prepare(console: Console, *, quick: bool) -> Bench:
    folder = FOLDER.absolute()
    console.rule("[bold]what is compared")
    tools = install(folder, lambda line: console.print(line))
    bench = Bench(tools, folder, console, quick=quick)
    bench.clean()
    return bench


def _about(bench: Bench) -> dict[str, Any]:
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": bench.quick,
        "machine": describe(bench.folder) | versions(bench.tools),
        "fsync": FSYNC,
        "missing": bench.tools.missing,
    }


def _measure(bench: Bench, row: str, reasons: dict[str, str]) -> Findings | None:
    """What the row found; None, and the reason, when it could not be run to its end."""
    bench.console.rule(f"[bold]{row}")
    began = time.monotonic()
    try:
        found: Findings = importlib.import_module(f"bench.rows.{row}").measure(bench)
    except NotMeasuredError as error:
        reasons[row] = str(error)
        bench.console.print(f"[yellow]{row} is not measured:[/] {escape(str(error))}")
        return None
    except Exception as error:  # one row must not take the others' results with it
        reasons[row] = f"it failed: {type(error).__name__}: {error}"
        bench.console.print_exception()
        return None
    for table in found.tables:
        show_table(bench.console, table)
    bench.console.print(f"[dim]{row} took {time.monotonic() - began:.0f} s[/]")
    return found


def _judge(findings: Sequence[Findings], reasons: dict[str, str]) -> list[Verdict]:
    figures = {name: value for each in findings for name, value in each.figures.items()}
    ranges = {name: value for each in findings for name, value in each.ranges.items()}
    return verdicts(figures, ranges, reasons)


if __name__ == "__main__":
    sys.exit(main())
