"""Lines for a terminal: events as they come and finish, and what the processes log."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from hookline.cli.events import STATE_STYLES
from hookline.cli.times import local
from hookline.ledger import Run
from hookline.live import Seen
from hookline.printable import lines, one_line
from hookline.service import LogLine

_LEVEL_STYLES = {"warning": "yellow", "error": "red", "critical": "bold red"}
_KNOWN = ("timestamp", "level", "event", "process", "pid", "logger", "exception", "traceback")


def event_line(seen: Seen) -> Text:
    """`12:00:01  01a200333e4ba70037b863b2  misskey.mention  done  hello.greet ok 3 ms`."""
    line = Text()
    line.append(local(seen.received_at_ms)[11:], style="dim")
    line.append(f"  {seen.id}  ", style="dim")
    line.append(f"{one_line(seen.type or seen.source):<28}", style="bold")
    line.append(f" {seen.state:<9}", style=STATE_STYLES.get(seen.state, ""))
    line.append(one_line(seen.error or ", ".join(run_words(run) for run in seen.runs.values())))
    if seen.state == "done" and not seen.runs:
        line.append("no action wanted it", style="dim")
    return line


def run_words(run: Run) -> str:
    """`hello.greet ok 3 ms`, `rough.index failed 2×, again in a moment: Retry: …`."""
    last = run.attempts[-1] if run.attempts else None
    took = f" {last.milliseconds} ms" if last and last.milliseconds is not None else ""
    times = f" at attempt {len(run.attempts)}" if len(run.attempts) > 1 else ""
    if run.state == "done":
        return f"{run.action} ok{times}{took}"
    if run.state == "dead":
        return f"{run.action} gave up{times}: {run.error}"
    if run.state == "retrying":
        return f"{run.action} failed{times}, will be tried again: {run.error}"
    if run.state == "paused":
        return f"{run.action} is paused"
    return f"{run.action} runs"


def print_log(console: Console, line: LogLine) -> None:
    """A warning or worse of any process, and whatever the actions log."""
    level = str(line.get("level", ""))
    if level not in _LEVEL_STYLES and line.get("action") is None:
        return
    text = Text("          ")
    text.append(one_line(str(line["event"])), style=_LEVEL_STYLES.get(level, "cyan"))
    for name, value in line.items():
        if name not in _KNOWN and name not in ("event_id", "attempt"):
            text.append(f"  {one_line(name)}=", style="dim")
            text.append(one_line(str(value)))
    for name in ("exception", "traceback"):
        if line.get(name):
            text.append(f"\n{lines(str(line[name]).rstrip())}", style="dim")
    console.print(text, soft_wrap=True)
