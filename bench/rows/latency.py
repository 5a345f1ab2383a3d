"""Idle latency: one delivery at a time to an idle pipeline, until its action's first line."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count

from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table, spread
from bench.deliveries import ESA_SECRET, MISSKEY_PATH, MISSKEY_SECRET, misskey
from bench.draining import MarkedOurs, cut_off
from bench.install import PEERS
from bench.marks import JOBS, Marks
from bench.processes import Process, free_port, running
from bench.redis_servers import Fsync, RedisServer
from bench.report import spread_text
from hookline.senders import Poster

NAME = "latency"
P50, P99, SENT_P50, SENT_P99 = "p50_ms", "p99_ms", "from_sending_p50_ms", "from_sending_p99_ms"
DEFAULT, EVERYSEC = "hookline, forking, fsync always", "hookline, forking, everysec"
_WARM_UP = 5
_PAUSE_SECONDS = 0.02
_LOOK_SECONDS = 0.002
_PATIENCE_SECONDS = 10.0
_NOTE = (
    "One 4 kB Misskey note at a time over a kept connection, the next one 20 ms after the action of the "
    "last has begun. From the receiver's 202 to the action's first line, and in brackets the spread of "
    "the rounds; an action that begins before the 202 has arrived counts as 0. A worker of RQ's own forks "
    "for each job, too."
)

Latencies = list[tuple[float, float]]
"""For each delivery the milliseconds from sending it, and from its 202, to its action."""


def measure(bench: Bench) -> Findings:
    """Each pipeline's p50 and p99; the targets are for what `docker compose up` starts."""
    findings = Findings(NAME)
    all_of: dict[str, Latencies] = {}
    pipelines: dict[str, tuple[Fsync, Pipeline]] = {
        DEFAULT: ("always", _ours()),
        EVERYSEC: ("everysec", _ours()),
        "hookline --no-fork, everysec": ("everysec", _ours("--no-fork")),
        "aiohttp + rq worker, everysec": ("everysec", _stock),
    }
    if bench.quick:
        del pipelines[EVERYSEC]
        findings.missing[EVERYSEC] = "only in the full run"
    contestants = {
        name: _measured(bench, all_of.setdefault(name, []), fsync, pipeline)
        for name, (fsync, pipeline) in pipelines.items()
    }
    samples = bench.contest(findings, "idle latency", contestants)
    findings.tables.append(_table(samples, all_of))
    if samples.get(DEFAULT):
        for figure, name, share in (("latency.p50_ms", P50, 50), ("latency.p99_ms", P99, 99)):
            findings.figures[figure] = percentile([since for _, since in all_of[DEFAULT]], share)
            findings.ranges[figure] = spread(samples[DEFAULT], name)
    return findings


def percentile(values: list[float], share: int) -> float:
    """The least value that so many per cent of them are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


Pipeline = Callable[[Bench, RedisServer], AbstractContextManager[tuple[str, Marks]]]


def _measured(bench: Bench, every: Latencies, fsync: Fsync, pipeline: Pipeline) -> Callable[[], Sample]:
    numbers = count()

    def measure() -> Sample:
        with bench.redis(fsync) as redis, pipeline(bench, redis) as (url, marks):
            deliveries = bench.size(80, 25)
            latencies = asyncio.run(_one_by_one(url, marks, deliveries, numbers))
        every.extend(latencies)
        sent, since = ([each[place] for each in latencies] for place in (0, 1))
        return {
            P50: percentile(since, 50),
            P99: percentile(since, 99),
            SENT_P50: percentile(sent, 50),
            SENT_P99: percentile(sent, 99),
        }

    return measure


async def _one_by_one(url: str, marks: Marks, deliveries: int, numbers: Iterator[int]) -> Latencies:
    latencies = []
    async with Poster(url, connections=1) as poster:
        for number in range(_WARM_UP + deliveries):
            delivery = misskey(next(numbers))
            sent_at = time.time()
            answer = await poster.post(delivery)
            answered_at = time.time()
            if answer.status != 202:
                raise NotMeasuredError(
                    f"a delivery was answered {answer.status}: {answer.error or answer.text}"
                )
            began_at = await _mark(marks, number + 1)
            latencies.append(((began_at - sent_at) * 1000, max(0.0, began_at - answered_at) * 1000))
            await asyncio.sleep(_PAUSE_SECONDS)
    return latencies[_WARM_UP:]


async def _mark(marks: Marks, number: int) -> float:
    until = time.monotonic() + _PATIENCE_SECONDS
    while marks.count() < number:
        if time.monotonic() > until:
            raise NotMeasuredError(f"an action had not begun {_PATIENCE_SECONDS:g} s after its delivery")
        await asyncio.sleep(_LOOK_SECONDS)
    return marks.times()[number - 1]


def _ours(*arguments: str) -> Pipeline:
    @contextmanager
    def pipeline(bench: Bench, redis: RedisServer) -> Iterator[tuple[str, Marks]]:
        ours = MarkedOurs(bench, redis)
        receiver, worker = ours.receiver(), ours.worker(*arguments)
        with running(receiver, worker):
            yield receiver.url + MISSKEY_PATH, ours.marks
            cut_off(receiver, worker)

    return pipeline


@contextmanager
def _stock(bench: Bench, redis: RedisServer) -> Iterator[tuple[str, Marks]]:
    folder, port = bench.folder_of_run("stock"), free_port()
    marks = Marks(folder)
    environment = marks.environment | {
        "BENCH_REDIS_URL": redis.url,
        "BENCH_PORT": str(port),
        "BENCH_ESA_SECRET": ESA_SECRET,
        "BENCH_MISSKEY_SECRET": MISSKEY_SECRET,
    }
    program = PEERS / "ingest" / "enqueue_aiohttp.py"
    receiver = Process(
        "receiver", [sys.executable, program], folder=folder, environment=environment, port=port
    )
    worker = Process(
        "worker", [sys.executable, JOBS / "rq_peer.py", "forking"], folder=folder, environment=environment
    )
    with running(receiver, worker):
        yield f"http://127.0.0.1:{port}{MISSKEY_PATH}", marks
        cut_off(receiver, worker)


def _table(samples: Samples, all_of: dict[str, Latencies]) -> Table:
    rows = []
    for name in samples:
        since = [each[1] for each in all_of[name]]
        rows.append(
            [
                name,
                *(spread_text(samples, name, figure, 1) for figure in (P50, P99)),
                f"{percentile(since, 50):.1f} / {percentile(since, 99):.1f}",
                *(spread_text(samples, name, figure, 1) for figure in (SENT_P50, SENT_P99)),
            ]
        )
    columns = ("", "p50, ms", "p99, ms", "p50 / p99 of all rounds, ms", "from sending: p50, ms", "p99, ms")
    return Table("Idle latency: from the 202 to the action's first line", columns, rows, _NOTE)
