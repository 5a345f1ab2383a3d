"""The figures as a screen of tables that fits 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hookline.cli.replays import progress_words
from hookline.cli.times import local, span
from hookline.figures import (
    ActionFigures,
    Figures,
    ReceiverFigures,
    RedisFigures,
    WorkerFigures,
)
from hookline.printable import one_line
from hookline.replays import Bulk

_STATE_STYLES = {"busy": "cyan", "ready": "green", "spooling": "yellow", "refusing": "bold red"}
_MANY = 100_000


def screen(figures: Figures, replays: Iterable[Bulk] = ()) -> RenderableType:
    """All of them; what there is none of is left out."""
    parts: list[RenderableType] = [_headline(figures)]
    if figures.sources:
        parts += ["", _sources(figures)]
    if figures.actions:
        parts += ["", _actions(figures.actions)]
    parts += ["", _workers(figures.workers, figures.at_ms)]
    if figures.receivers:
        parts += ["", _receivers(figures.receivers)]
    parts += ["", *(progress_words(each) for each in replays), _redis(figures.redis)]
    return Group(*parts)


def _headline(figures: Figures) -> Text:
    oldest = figures.oldest_waiting_ms
    line = Text(f"{figures.backlog:,} unfinished", style="bold")
    line.append(f", {figures.ready:,} of them to run now", style="not bold")
    line.append(f"; the oldest waits for {span(oldest)}\n" if oldest is not None else "\n", style="not bold")
    line.append(f"{figures.dead_now:,} dead letters", style="red" if figures.dead_now else "not bold")
    line.append(f", {figures.stored:,} events stored", style="not bold")
    line.append(f"   {local(figures.at_ms)}", style="not bold dim")
    return line


def _sources(figures: Figures) -> Table:
    table = _table("source", "received", "repeats", "refused", "done", "dead", "waiting", "oldest", "last")
    for name, source in sorted(figures.sources.items()):
        table.add_row(
            _name(name, source.paused_since_ms),
            *map(_number, (source.received, source.repeated, sum(source.rejected.values()), source.done)),
            Text(_number(source.dead), style="red" if source.dead_now else ""),
            _number(source.open),
            _span(source.oldest_waiting_ms),
            _span(source.last_at_ms and figures.at_ms - source.last_at_ms),
        )
    if figures.rejected:
        table.add_row(Text("none of these", style="dim"), "", "", _number(sum(figures.rejected.values())))
    return table


def _actions(actions: dict[str, ActionFigures]) -> Table:
    table = _table("action", "attempts", "done", "failed", "gave up", "half within", "95% within")
    for name, action in sorted(actions.items()):
        table.add_row(
            _name(name, action.paused_since_ms),
            *map(_number, (action.attempts, action.done, action.retrying)),
            Text(_number(action.dead), style="red" if action.dead else ""),
            *(_milliseconds(action.within(part)) for part in (0.5, 0.95)),
        )
    return table


def _workers(workers: Iterable[WorkerFigures], at_ms: int) -> RenderableType:
    table = _table("worker", "state", "groups", "events", "longest", "up for")
    for worker in workers:
        began = [group.began_at_ms for group in worker.groups if group.began_at_ms]
        table.add_row(
            Text(one_line(f"{worker.host} {worker.pid}")),
            Text(worker.state, style=_STATE_STYLES.get(worker.state, "")),
            _number(len(worker.groups)),
            _number(sum(len(group.event_ids) for group in worker.groups)),
            _span(at_ms - min(began) if began else None),
            _span(worker.started_at_ms and at_ms - worker.started_at_ms),
        )
    return table if table.row_count else Text("no worker runs", style="bold red")


def _receivers(receivers: Iterable[ReceiverFigures]) -> Table:
    table = _table("receiver", "state", "spooled", "spool")
    for receiver in receivers:
        table.add_row(
            Text(one_line(f"{receiver.host} {receiver.pid}")),
            Text(receiver.state, style=_STATE_STYLES.get(receiver.state, "")),
            _number(receiver.spool_events),
            f"{_bytes(receiver.spool_bytes)} of {_bytes(receiver.spool_max_bytes)}"
            if receiver.spool_max_bytes
            else "none",
        )
    return table


def _redis(redis: RedisFigures) -> Text:
    words = [f"redis {redis.version}".strip(), f"answers in {redis.response_ms:.0f} ms"]
    if redis.role != "master":
        words.append(redis.role)
    if redis.used_memory is not None:
        limit = f" of {_bytes(redis.maxmemory)}" if redis.maxmemory else ""
        words.append(f"{_bytes(redis.used_memory)}{limit}")
    if redis.aof_enabled is not None:
        words.append(f"append-only, fsync {redis.fsync}" if redis.aof_enabled else "not append-only")
    line = Text(one_line(" · ".join(word for word in words if word)))
    if redis.aof_last_write_ok is False or redis.rdb_last_save_ok is False:
        line.append("\nredis cannot write to its disk", style="bold red")
    return line


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, overflow="fold")
    for other in others:
        is_word = other in ("state", "spool")
        table.add_column(other, justify="left" if is_word else "right", no_wrap=True)
    return table


def _name(name: str, paused_since_ms: int | None) -> Text:
    text = Text(one_line(name))
    if paused_since_ms is not None:
        text.append(" paused", style="yellow")
    return text


def _number(number: int) -> str:
    if number < _MANY:
        return f"{number:,}"
    return f"{number / 1e6:.1f}M" if number >= 1e6 else f"{number / 1e3:.0f}k"


def _span(milliseconds: int | None) -> str:
    return "–" if milliseconds is None else span(milliseconds)


def _milliseconds(bound: float | None) -> str:
    if bound is None:
        return "–"
    if math.isinf(bound):
        return "over 1 min"
    return f"{bound / 1000:g} s" if bound >= 1000 else f"{bound:g} ms"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 2**30), ("MB", 2**20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 2**10:.0f} kB"
