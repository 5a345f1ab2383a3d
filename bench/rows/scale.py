"""More workers and more receivers on one machine, and what stops them from being faster."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table, median
from bench.deliveries import esa_request
from bench.load import Requests, load
from bench.machine import BusyClock, CpuClock, bound_by
from bench.report import spread_text

NAME = "scale"
WORKERS = (1, 2, 4)
RECEIVERS = (1, 2)
CONNECTIONS = 256
WARM_UP_SECONDS = 0.5
RATE, CPU, REDIS_CPU, BUSY, OURS, REDIS, WRK = (
    "events_per_second",
    "cpu_us",
    "redis_cpu_us",
    "machine_busy",
    "our_cores",
    "redis_cores",
    "wrk_cores",
)
COLUMNS = ("", "events/s", "of the first", "CPU µs per event", "Redis CPU µs per event", "what the limit is")


def measure(bench: Bench) -> Findings:
    """Drain with 1, 2 and 4 workers; receive with 1 and 2 receivers."""
    findings = Findings(NAME)
    drains = {_named(count, "worker"): _drain(bench, count) for count in WORKERS}
    file = bench.folder_of_run("requests") / "esa"
    requests = Requests.write(file, bench.size(60_000, 20_000), esa_request)
    receives = {_named(count, "receiver"): _receive(bench, requests, count) for count in RECEIVERS}
    rounds = 1 if bench.quick else bench.rounds
    drained = bench.contest(findings, "drain, forking", drains, rounds, show=_show)
    received = bench.contest(findings, "ingest, esa 1 kB", receives, rounds, show=_show)
    findings.tables += [
        _table("Scale out: workers, forking, one action that does nothing", drained),
        _table(f"Scale out: receivers that share a port, esa 1 kB, {CONNECTIONS} connections", received),
    ]
    for samples in (drained, received):
        first, *others = samples
        for name in others:
            figure = f"scale.{name.replace(' ', '_')}_ratio"
            findings.figures[figure] = median(samples[name], RATE) / median(samples[first], RATE)
    return findings


def _named(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _drain(bench: Bench, count: int) -> Callable[[], Sample]:
    events = bench.size(10_000, 4_000)

    def sample() -> Sample:
        with bench.redis() as redis, contextlib.ExitStack() as stack:
            ours = bench.ours(redis)
            ours.fill(events)
            ours.hold()
            workers = [stack.enter_context(ours.worker(name=f"worker-{number}")) for number in range(count)]
            clocks = (CpuClock(*(worker.pid for worker in workers)), CpuClock(redis.pid), BusyClock())
            began = time.monotonic()
            ours.let_go()
            ours.wait_until_finished(events, *workers)
            return _sample(events, time.monotonic() - began, *clocks)

    return sample


def _receive(bench: Bench, requests: Requests, count: int) -> Callable[[], Sample]:
    def sample() -> Sample:
        with bench.redis() as redis, bench.ours(redis).receiver("--processes", str(count)) as receiver:
            wrk, url = bench.wrk, receiver.url
            warm = load(wrk, url, requests, connections=CONNECTIONS, seconds=WARM_UP_SECONDS)
            clocks = CpuClock(receiver.pid), CpuClock(redis.pid), BusyClock()
            first = warm.answered + CONNECTIONS + 1
            seconds = bench.size(4, 2) / 2
            came = load(wrk, url, requests, connections=CONNECTIONS, seconds=seconds, first=first)
            if came.repeated:
                raise NotMeasuredError("it accepted more deliveries than were signed")
            return _sample(came.answered, came.seconds, *clocks) | {WRK: came.cpu_share}

    return sample


def _sample(events: int, seconds: float, ours: CpuClock, redis: CpuClock, busy: BusyClock) -> Sample:
    return {
        RATE: events / seconds,
        CPU: ours.seconds() / events * 1e6,
        REDIS_CPU: redis.seconds() / events * 1e6,
        OURS: ours.seconds() / seconds,
        REDIS: redis.seconds() / seconds,
        BUSY: busy.share(),
    }


def _show(sample: Sample) -> str:
    return f"[bold]{sample[RATE]:,.0f}[/] events/s, machine {sample[BUSY]:.0%} busy"


def _table(title: str, samples: Samples) -> Table:
    first = next(iter(samples), "")
    rows = [
        [
            name,
            spread_text(samples, name, RATE),
            f"{median(taken, RATE) / median(samples[first], RATE):.2f} ×",
            spread_text(samples, name, CPU),
            spread_text(samples, name, REDIS_CPU),
            _limit(name, taken),
        ]
        for name, taken in samples.items()
    ]
    return Table(title, COLUMNS, rows, "Median (least–most).")


def _limit(name: str, taken: list[Sample]) -> str:
    cores = {"Redis": median(taken, REDIS)}
    if WRK in taken[0]:
        cores["wrk"] = median(taken, WRK)
    if name.startswith("1 "):
        cores[f"the {name.removeprefix('1 ')}"] = median(taken, OURS)
    return bound_by(median(taken, BUSY), cores)
