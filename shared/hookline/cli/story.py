"""One event's whole story, for a person and as JSON."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from hookline.cli.times import local
from hookline.ledger import Run, past_runs_of, runs_of
from hookline.printable import escaped, lines, one_line
from hookline.tracing import trace_id

BODY_CHARACTERS = 20_000
RUN_STYLES = {
    "done": "green",
    "dead": "bold red",
    "retrying": "yellow",
    "running": "cyan",
    "paused": "magenta",
}


def story(event_id: str, fields: dict[str, bytes]) -> RenderableType:
    """Everything that is known of an event, in the order in which a person asks."""
    parts: list[RenderableType] = [_facts(event_id, fields)]
    if "error" in fields:
        parts.append(Text(f"\nIt cannot be read: {one_line(fields['error'].decode())}", style="bold red"))
    parts += _runs("Runs", runs_of(fields))
    for number, runs in sorted(past_runs_of(fields).items(), reverse=True):
        parts += _runs(f"Runs before replay {number}", runs)
    parts.append(Text("\nHeaders", style="bold"))
    parts += [Text(one_line(f"  {name}: {value}")) for name, value in json.loads(fields["headers"])]
    parts.append(Text("\nBody", style="bold"))
    parts.append(Padding(_body(fields["body"]), (0, 2)))
    return Group(*parts)


def story_json(event_id: str, fields: dict[str, bytes]) -> dict[str, Any]:
    """The same as JSON; a body that isn't UTF-8 has its stray bytes as `\\xNN`."""
    return {
        "id": event_id,
        **{
            name: fields[name].decode()
            for name in ("source", "provider", "state", "type", "error", "trace")
            if name in fields
        },
        **{
            name: int(fields[name])
            for name in ("received_at", "finished_at", "replayed_at", "repeats", "replays", "deaths")
            if name in fields
        },
        "runs": {name: json.loads(run.to_json()) for name, run in runs_of(fields).items()},
        "past_runs": {
            number: {name: json.loads(run.to_json()) for name, run in runs.items()}
            for number, runs in past_runs_of(fields).items()
        },
        "headers": json.loads(fields["headers"]),
        "body": fields["body"].decode("utf-8", "backslashreplace"),
    }


def _facts(event_id: str, fields: dict[str, bytes]) -> Table:
    table = Table.grid(padding=(0, 2))
    rows = [
        ("event", event_id),
        ("type", fields.get("type", b"not read yet").decode()),
        ("source", f"{fields['source'].decode()} ({fields['provider'].decode()})"),
        ("state", fields["state"].decode()),
        ("received", local(int(fields["received_at"]))),
    ]
    if "finished_at" in fields:
        rows.append(("finished", local(int(fields["finished_at"]))))
    if "repeats" in fields:
        rows.append(("sent again", f"{int(fields['repeats'])} times, answered as duplicates"))
    if "replayed_at" in fields:
        rows.append(("replayed", f"{int(fields['replays'])} times, last {local(int(fields['replayed_at']))}"))
    if "deaths" in fields:
        rows.append(("processes lost", f"{int(fields['deaths'])} {fields.get('death', b'').decode()}"))
    if "trace" in fields:
        rows.append(("trace", trace_id(fields["trace"].decode())))
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(one_line(value)))
    return table


def _runs(title: str, runs: dict[str, Run]) -> list[RenderableType]:
    if not runs:
        return [Text(f"\n{title}: none", style="bold")]
    parts: list[RenderableType] = [Text(f"\n{title}", style="bold")]
    for name, run in sorted(runs.items()):
        due = f", next attempt {local(run.due_at_ms)}" if run.due_at_ms else ""
        parts.append(
            Text.from_markup(f"  {escape(one_line(name))}  [{RUN_STYLES[run.state]}]{run.state}[/]{due}")
        )
        for number, attempt in enumerate(run.attempts, 1):
            took = "" if attempt.milliseconds is None else f" ({attempt.milliseconds} ms)"
            said = lines(attempt.error or "ok")
            parts.append(Text(f"    {number}. {local(attempt.started_at_ms)}{took}  {said}"))
        last = run.attempts[-1].traceback if run.attempts else None
        if last:
            parts.append(Padding(Text(lines(last.rstrip()), style="dim"), (0, 7)))
    return parts


def _body(body: bytes) -> RenderableType:
    text = body.decode("utf-8", "backslashreplace")
    try:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
        text = text.encode("utf-8", "backslashreplace").decode()
    except (ValueError, RecursionError):
        return Text(lines(text[:BODY_CHARACTERS]))
    return Syntax(
        escaped(text[:BODY_CHARACTERS]), "json", theme="ansi_dark", word_wrap=True, background_color="default"
    )
