"""Slow actions: each takes 100 ms. How many events a second does one worker process get through?"""

from __future__ import annotations

from bench.bench import Bench
from bench.contest import Findings, Samples, Table
from bench.draining import CPU, PER_SECOND, drain_ours, drain_peer
from bench.report import spread_text
from bench.rows.drain import FORKING, NO_FORK, RQ_FORKING, RQ_SIMPLE, rq_peer

NAME = "slow"

_PLUGIN = """
import asyncio

from hookline import action, misskey
from marks import mark


@action(misskey.Note)
async def wait(event):
    mark()
    await asyncio.sleep(0.1)
    mark()
"""
_NOTE = (
    "One worker process each; Hookline's action awaits 100 ms, RQ's job sleeps as long. From the first "
    "job's first line to the last one's end (ours: until it is recorded). RQ runs one job at a time in a "
    "process, so that 10 a second are the most that it could reach; whoever needs more starts more "
    "workers."
)


def measure(bench: Bench) -> Findings:
    """Every contestant's events per second."""
    findings = Findings(NAME)
    ours, theirs = bench.size(3_000, 640), bench.size(40, 8)
    contestants = {
        FORKING: drain_ours(bench, ours, plugin=_PLUGIN, marks_per_job=2),
        NO_FORK: drain_ours(bench, 2 * ours, "--no-fork", plugin=_PLUGIN, marks_per_job=2),
        RQ_FORKING: drain_peer(bench, rq_peer("forking", "wait"), theirs, marks_per_job=2),
        RQ_SIMPLE: drain_peer(bench, rq_peer("simple", "wait"), theirs, marks_per_job=2),
    }
    if bench.quick:
        del contestants[RQ_SIMPLE]
        findings.missing[RQ_SIMPLE] = "only in the full run"
    samples = bench.contest(findings, "slow actions", contestants)
    findings.tables.append(_table(samples))
    findings.compare(samples, "slow.ratio_rq", FORKING, RQ_FORKING, PER_SECOND)
    return findings


def _table(samples: Samples) -> Table:
    rows = [
        [name, spread_text(samples, name, PER_SECOND, 1), spread_text(samples, name, CPU)] for name in samples
    ]
    columns = ("", "events/s", "CPU, µs per event")
    return Table("Slow actions: one worker process, each action takes 100 ms", columns, rows, _NOTE)
