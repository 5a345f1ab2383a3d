"""What a receiver answered, as a person reads it: one answer in full, many as a table."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hookline.printable import lines, one_line
from hookline.senders import Answer


def print_answer(answer: Answer, url: str) -> None:
    """Prints one answer in full."""
    milliseconds = f"{answer.seconds * 1000:.1f} ms"
    if not answer.status:
        typer.echo(f"{url} did not answer ({milliseconds}): {one_line(answer.error or '')}")
        return
    known = {status.value: status.phrase for status in HTTPStatus}
    typer.echo(f"{url} answered {answer.status} {known.get(answer.status, '')} in {milliseconds}")
    typer.echo(lines(answer.text))


def print_answer_table(answers: Sequence[Answer], *, total: int, seconds: float) -> None:
    """Prints how many answers there were of each kind, and how long they took; `total` is what was wanted."""
    table = Table()
    table.add_column("answer", overflow="fold")
    for heading in ("count", "share", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="right")
    by_outcome: dict[str, list[Answer]] = {}
    for answer in answers:
        by_outcome.setdefault(answer.outcome, []).append(answer)
    for outcome, group in sorted(by_outcome.items(), key=lambda item: -len(item[1])):
        style = None if group[0].is_success else "red"
        share = f"{100 * len(group) / len(answers):.1f} %"
        table.add_row(
            escape(one_line(outcome)),
            f"{len(group):,}",
            share,
            _percentile(group, 50),
            _percentile(group, 99),
            style=style,
        )
    stopped = f" (stopped; {total:,} were asked for)" if len(answers) < total else ""
    console = Console()
    console.print(table)
    console.print(
        f"{len(answers):,} deliveries in {seconds:.2f} s: {len(answers) / seconds:,.0f} per second{stopped}"
    )


def _percentile(answers: Sequence[Answer], percent: int) -> str:
    """In milliseconds: the time within which this percentage of the answers came."""
    ordered = sorted(answer.seconds for answer in answers)
    return f"{1000 * ordered[(len(ordered) * percent - 1) // 100]:.1f}"
