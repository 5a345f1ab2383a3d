"""How many deliveries one receiver process accepts, and what each costs; nobody works on them meanwhile."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table, median, ratio, spread
from bench.deliveries import esa_request, misskey_request
from bench.load import Load, Requests, load
from bench.machine import CpuClock, cpu_seconds
from bench.processes import Process
from bench.receivers import ARQ, BARE, BULLMQ, ENQUEUE, HOOKLINE, PIPELINED, WEBHOOK, Contestant
from bench.redis_servers import Fsync
from bench.report import spread_text

NAME = "ingest"
KINDS = {"esa 1 kB": esa_request, "Misskey 4 kB": misskey_request}
CONNECTIONS = (64, 256)
CONTEST = "ingest"
PEERS = (BARE, BULLMQ, PIPELINED, ENQUEUE, ARQ, WEBHOOK)
QUICK_PEERS = (BARE, BULLMQ, ENQUEUE)
SHORT_SECONDS = 0.3
REST_SECONDS = 0.2
LONGEST_REST_SECONDS = 20.0
COLUMNS = (
    "",
    "accepted/s",
    "CPU µs per event",
    "Redis CPU µs per event",
    "p50 ms",
    "p99 ms",
    "Hookline accepts",
)


@dataclass(frozen=True, slots=True)
class Mix:
    """One kind of load. `name` starts the names of its figures in a sample."""

    kind: str
    connections: int

    @property
    def name(self) -> str:
        """For a person: `esa 1 kB, 64 connections`."""
        return f"{self.kind}, {self.connections} connections"


@dataclass(slots=True)
class _Feed:
    """A file of requests, and how far one contestant has had them: each is sent to it only once."""

    requests: Requests
    sent: int = 0

    def load(self, bench: Bench, url: str, connections: int, seconds: float) -> Load:
        done = load(bench.wrk, url, self.requests, connections=connections, seconds=seconds, first=self.sent)
        self.sent += done.answered + connections + 1
        return done


@dataclass(slots=True)
class _Loads:
    """The mixes and the signed requests of one go of the row."""

    mixes: tuple[Mix, ...]
    requests: dict[str, Requests] = field(default_factory=dict)

    def under(self, fsync: Fsync) -> tuple[Mix, ...]:
        """With an fsync at every commit only the fewer connections are measured: time is short."""
        return tuple(mix for mix in self.mixes if fsync == "everysec" or mix.connections == CONNECTIONS[0])


def measure(bench: Bench) -> Findings:
    """Every contestant under every mix, with both fsync policies where it stores anything."""
    findings = Findings(NAME)
    loads = _prepare(bench)
    if bench.quick:
        findings.missing |= {each.name: "left out with --quick" for each in PEERS if each not in QUICK_PEERS}
    samples = bench.contest(findings, CONTEST, _contestants(bench, loads), show=_show)
    findings.tables += [_table(samples, mix) for mix in loads.mixes]
    _figures(findings, samples)
    return findings


def _prepare(bench: Bench) -> _Loads:
    """Sign enough for the fastest, who sends none twice; for one that stores nothing it doesn't matter."""
    mixes = tuple(Mix(kind, connections) for kind in KINDS for connections in CONNECTIONS)
    loads = _Loads(mixes[:1] if bench.quick else mixes)
    folder = bench.folder_of_run("requests")
    for kind in {mix.kind for mix in loads.mixes}:
        loads.requests[kind] = Requests.write(folder / kind, bench.size(70_000, 30_000), KINDS[kind])
    return loads


def _contestants(bench: Bench, loads: _Loads) -> dict[str, Callable[[], Sample]]:
    entries: list[tuple[Contestant, Fsync]] = [(HOOKLINE, "everysec"), (HOOKLINE, "always")]
    for contestant in QUICK_PEERS if bench.quick else PEERS:
        entries.append((contestant, "everysec"))
        if contestant.stores and contestant is not PIPELINED and not bench.quick:
            entries.append((contestant, "always"))
    return {_entry(each, fsync): _sampler(bench, loads, each, fsync) for each, fsync in entries}


def _entry(contestant: Contestant, fsync: Fsync) -> str:
    return f"{contestant.name}, {fsync}" if contestant.stores else contestant.name


def _sampler(bench: Bench, loads: _Loads, contestant: Contestant, fsync: Fsync) -> Callable[[], Sample]:
    seconds = SHORT_SECONDS if contestant.lags else bench.size(5, 4) / 4

    def sample() -> Sample:
        found: Sample = {}
        feeds = {kind: _Feed(requests) for kind, requests in loads.requests.items()}
        with bench.redis(fsync) as redis, contestant.make(bench, redis) as process:
            _warm_up(bench, contestant, process, feeds[loads.mixes[0].kind])
            for mix in loads.under(fsync):
                clock, redis_clock = CpuClock(process.pid), CpuClock(redis.pid)
                came = feeds[mix.kind].load(bench, process.url, mix.connections, seconds)
                if came.repeated and contestant.stores:
                    raise NotMeasuredError("it accepted more deliveries than were signed")
                if contestant.lags:
                    _wait_for_rest(process)
                found |= _figures_of(mix, came, clock.seconds(), redis_clock.seconds())
        return found

    return sample


def _warm_up(bench: Bench, contestant: Contestant, process: Process, feed: _Feed) -> None:
    feed.load(bench, process.url, CONNECTIONS[0], contestant.warm_up_seconds)
    if contestant.lags:
        _wait_for_rest(process)


def _figures_of(mix: Mix, came: Load, cpu: float, redis_cpu: float) -> Sample:
    figures = {
        "accepted_per_second": came.per_second,
        "cpu_us": cpu / came.answered * 1e6,
        "redis_cpu_us": redis_cpu / came.answered * 1e6,
        "p50_ms": came.p50_ms,
        "p99_ms": came.p99_ms,
        "wrk_cpu_share": came.cpu_share,
    }
    return {f"{mix.name}: {figure}": value for figure, value in figures.items()}


def _wait_for_rest(process: Process) -> None:
    """Wait until the process does nothing any more."""
    until = time.monotonic() + LONGEST_REST_SECONDS
    before = -1.0
    while time.monotonic() < until and before != (now := cpu_seconds(process.pid)):
        before = now
        time.sleep(REST_SECONDS)


def _show(sample: Sample) -> str:
    rates = [f"[bold]{value:6,.0f}[/]/s" for name, value in sample.items() if name.endswith("_per_second")]
    costs = [f"{value:5,.0f} µs" for name, value in sample.items() if name.endswith(": cpu_us")]
    return "   ".join(f"{rate} {cost}" for rate, cost in zip(rates, costs, strict=True))


def _table(samples: Samples, mix: Mix) -> Table:
    ours = samples.get(_entry(HOOKLINE, "everysec"), [])
    rate = f"{mix.name}: accepted_per_second"
    rows = []
    measured = {name: taken for name, taken in samples.items() if rate in taken[0]}
    for name, taken in measured.items():
        cells = [
            spread_text(samples, name, f"{mix.name}: {figure}", digits)
            for figure, digits in (("accepted_per_second", 0), ("cpu_us", 0), ("redis_cpu_us", 0))
        ]
        latencies = [f"{median(taken, f'{mix.name}: {figure}'):.1f}" for figure in ("p50_ms", "p99_ms")]
        rows.append([name, *cells, *latencies, f"{ratio(ours, taken, rate):.2f} ×" if ours else "–"])
    wrk = max(spread(taken, f"{mix.name}: wrk_cpu_share")[1] for taken in measured.values())
    note = f"Median (least–most). wrk itself used {wrk:.0%} of one core at the most, so it was not the limit."
    return Table(f"Ingest: {mix.name}", COLUMNS, rows, note)


def _figures(findings: Findings, samples: Samples) -> None:
    """For each target the median over the mixes; its range is that of every round and mix."""
    ours, always = _entry(HOOKLINE, "everysec"), _entry(HOOKLINE, "always")
    wanted = {
        "ingest.cpu_ratio_bare": (ours, BARE.name, "cpu_us"),
        "ingest.rate_ratio_bullmq": (ours, _entry(BULLMQ, "everysec"), "accepted_per_second"),
        "ingest.rate_ratio_bullmq_pipelined": (ours, _entry(PIPELINED, "everysec"), "accepted_per_second"),
        "ingest.rate_ratio_enqueue": (ours, _entry(ENQUEUE, "everysec"), "accepted_per_second"),
        "ingest.always_ratio": (always, ours, "accepted_per_second"),
    }
    for figure, (one, other, what) in wanted.items():
        absent = [name for name in (one, other) if not samples.get(name)]
        if absent:
            findings.missing[figure] = findings.missing.get(absent[0], "it was left out")
            continue
        kinds = [key for key in samples[one][0] if key.endswith(f": {what}") and key in samples[other][0]]
        pairs = list(zip(samples[one], samples[other], strict=True))
        findings.figures[figure] = statistics.median(
            ratio(samples[one], samples[other], key) for key in kinds
        )
        each = [our[key] / their[key] for our, their in pairs for key in kinds]
        findings.ranges[figure] = min(each), max(each)
