"""Drain: a backlog of parsed events and one action that does nothing, one worker process."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from bench.bench import Bench
from bench.contest import Findings, Sample, Samples, Table, median
from bench.draining import CPU, JOBS, PER_SECOND, REDIS_CPU, Peer, drain_ours, drain_peer
from bench.marks import JOBS as PROGRAMS
from bench.report import spread_text

NAME = "drain"
FORKING, NO_FORK = "hookline, forking", "hookline --no-fork"
RQ_FORKING, RQ_SIMPLE = "rq worker", "rq SimpleWorker"
BULLMQ_50 = "BullMQ, concurrency 50"

_SIZES = {
    FORKING: (20_000, 3_000),
    NO_FORK: (20_000, 5_000),
    RQ_FORKING: (200, 50),
    RQ_SIMPLE: (500, 0),
    "BullMQ, concurrency 1": (8_000, 0),
    BULLMQ_50: (20_000, 6_000),
    "arq, 50 at a time": (4_000, 0),
    "SAQ, concurrency 50": (3_000, 0),
    "streaQ, concurrency 16": (3_000, 0),
    "dramatiq, 8 threads": (6_000, 0),
}
"""How many wait, in full and in quick: as many as take some seconds. The quick run leaves out those of 0."""

_NOTE = (
    "One worker process each, started on a full queue of 4 kB Misskey notes, from the first job's first "
    "line to the last one's (ours: until the last event is recorded as done). Hookline's jobs are the "
    "product's own: all of a note is parsed, matched, run, and each run recorded. The Python peers' job "
    "parses the note's main fields with pydantic; BullMQ hands over the payload that it has parsed. CPU "
    "is per job, of the worker and its children."
)


def measure(bench: Bench) -> Findings:
    """Every contestant's events per second and CPU per event."""
    findings = Findings(NAME)
    contestants = _ours(bench) | _peers(bench, findings)
    samples = bench.contest(findings, "drain", contestants)
    findings.tables.append(_table(samples))
    findings.compare(samples, "drain.fork_ratio_rq", FORKING, RQ_FORKING, PER_SECOND)
    findings.compare(samples, "drain.nofork_ratio_bullmq50", NO_FORK, BULLMQ_50, PER_SECOND)
    return findings


def rq_peer(how: str, job: str = "parse_note") -> Peer:
    """RQ, from Hookline's own environment: the same RQ, and the same version, as Hookline runs on."""
    program = PROGRAMS / "rq_peer.py"
    return Peer([sys.executable, program, "fill"], [sys.executable, program, how], (job,))


def _ours(bench: Bench) -> dict[str, Callable[[], Sample]]:
    return {
        FORKING: drain_ours(bench, bench.size(*_SIZES[FORKING])),
        NO_FORK: drain_ours(bench, bench.size(*_SIZES[NO_FORK]), "--no-fork"),
    }


def _peers(bench: Bench, findings: Findings) -> dict[str, Callable[[], Sample]]:
    tools, found = bench.tools, {RQ_FORKING: rq_peer("forking"), RQ_SIMPLE: rq_peer("simple")}
    if tools.node and tools.node_folder:
        found |= _bullmq(tools.node, tools.node_folder)
    if tools.peers_python:
        found |= _python_peers(tools.peers_python)
    contestants = {}
    for name in list(_SIZES)[2:]:
        jobs = bench.size(*_SIZES[name])
        if name in found and jobs:
            contestants[name] = drain_peer(bench, found[name], jobs)
        else:
            where = "npm peers" if name.startswith("BullMQ") else "Python peers"
            findings.missing[name] = tools.missing.get(where, "only in the full run")
    return contestants


def _bullmq(node: Path, folder: Path) -> dict[str, Peer]:
    # Node looks for packages from where the program is.
    program = shutil.copy(PROGRAMS / "bullmq_peer.mjs", folder)
    return {
        f"BullMQ, concurrency {concurrency}": Peer(
            [node, program, "fill"], [node, program, "work", concurrency]
        )
        for concurrency in ("1", "50")
    }


def _python_peers(python: Path) -> dict[str, Peer]:
    def peer(program: str) -> Peer:
        file = PROGRAMS / program
        return Peer([python, file, "fill"], [python, file, "work"])

    command_line: list[str | Path] = [python, "-m", "dramatiq", "dramatiq_peer", "--processes", "1"]
    return {
        "arq, 50 at a time": peer("arq_peer.py"),
        "SAQ, concurrency 50": peer("saq_peer.py"),
        "streaQ, concurrency 16": peer("streaq_peer.py"),
        "dramatiq, 8 threads": Peer([python, PROGRAMS / "dramatiq_peer.py", "fill"], command_line),
    }


def _table(samples: Samples) -> Table:
    rows = [
        [
            name,
            spread_text(samples, name, PER_SECOND),
            spread_text(samples, name, CPU),
            spread_text(samples, name, REDIS_CPU),
            f"{median(samples[name], JOBS):,.0f}",
        ]
        for name in samples
    ]
    columns = ("", "events/s", "CPU, µs per event", "Redis's CPU, µs per event", "waiting at the start")
    return Table("Drain: one worker process, one action that does nothing", columns, rows, _NOTE)
