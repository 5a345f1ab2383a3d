"""Growth: what an event costs, and how long looking takes, the more is stored. And what storing takes."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from bench import waiting
from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table, median, ratio
from bench.deliveries import ESA_PATH, esa_request
from bench.load import Requests, load_all
from bench.machine import CpuClock
from bench.ours import QUEUE, Ours, Receiver
from bench.redis_servers import RedisServer
from bench.report import spread_text
from bench.stored import BYTES_PER_EVENT, DAY_MS, Finish, fits, store_finished
from hookline.index import Filter, search
from hookline.operations import now_ms
from hookline.store import Store

NAME = "growth"
INGEST, DRAIN, REDIS, ALL = "receiver_cpu_us", "worker_cpu_us", "redis_cpu_us", "cpu_us"
LIST, PAGE, OLD_PAGE = "events_command_ms", "page_ms", "old_page_ms"
_CPU, _TIMES = (INGEST, DRAIN, REDIS, ALL), (LIST, PAGE, OLD_PAGE)
_CONNECTIONS = 64
_PAGE_EVENTS = 50
_PAGES = 5
_COMMAND = "from hookline.cli import main; main()"
_NOTE = (
    "Each round sends 1 kB esa deliveries over 64 connections to one receiver, then drains them with one "
    "forking worker; its CPU is per event, of the receiver, of the worker with its children, and of Redis "
    "for both. The events stored before are finished ones, made by the product's own scripts. `hookline "
    "events` is the command, its start included; a page is 50 events through `hookline.index`, the newest "
    "ones and those of three days ago. What a round adds stays, except with 1 thousand, which is filled "
    "anew each time."
)


def measure(bench: Bench) -> Findings:
    """What waiting takes, then every level in turn."""
    findings = Findings(NAME)
    waiting.measure(bench, findings)
    levels = [1_000, 20_000] if bench.quick else [1_000, 100_000, 1_000_000]
    while not fits(levels[-1]):
        reason = f"{levels.pop() * BYTES_PER_EVENT / 2**30:.0f} GiB of memory are not free here"
        findings.missing["more events stored"] = reason
    bench.console.print(f"  [dim]storing {sum(levels):,} finished events[/]")
    with ExitStack() as stack:
        samples = _contest(bench, findings, stack, levels)
    few, many = (_name(levels[place]) for place in (0, -1))
    findings.tables += [_cpu_table(samples, few, many), _time_table(samples)]
    findings.compare(samples, "growth.cpu_ratio", many, few, ALL)
    return findings


@dataclass(slots=True)
class _Level:
    """A Hookline with so much stored, and its receiver."""

    stored: int
    ours: Ours
    receiver: Receiver
    finish: Finish
    rounds: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def redis(self) -> RedisServer:
        return self.ours.redis

    def sample(self, bench: Bench, requests: list[Requests]) -> Sample:
        these = requests[next(self.rounds)]
        if len(these.starts) * 10 > self.stored:
            self.redis.client.flushall()
            store_finished(self.ours.redis.url, self.stored, self.finish)
        return self._cpu(bench, these) | self._times()

    def _cpu(self, bench: Bench, requests: Requests) -> Sample:
        count, url = len(requests.starts), self.receiver.url + ESA_PATH
        done = self.ours.finished() + count
        receiver, redis = CpuClock(self.receiver.pid), CpuClock(self.redis.pid)
        load_all(bench.wrk, url, requests, connections=_CONNECTIONS)
        taken = {INGEST: receiver.seconds(), REDIS: redis.seconds()}
        with self.ours.worker() as process:
            worker, redis = CpuClock(process.pid), CpuClock(self.redis.pid)
            self.ours.wait_until_finished(done, process)
            taken |= {DRAIN: worker.seconds(), REDIS: taken[REDIS] + redis.seconds()}
        taken[ALL] = sum(taken.values())
        return {name: taken[name] / count * 1e6 for name in _CPU}

    def _times(self) -> Sample:
        environment = self.ours.environment()
        command = [sys.executable, "-c", _COMMAND, "events"]
        began = time.perf_counter()
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)  # noqa: S603
        took = time.perf_counter() - began
        store = Store(self.redis.client, QUEUE)
        newest, old = Filter(), Filter(until_ms=now_ms() - 3 * DAY_MS)
        return {LIST: took * 1000, PAGE: _page_ms(store, newest), OLD_PAGE: _page_ms(store, old)}


def _contest(bench: Bench, findings: Findings, stack: ExitStack, levels: list[int]) -> Samples:
    folder, each = bench.folder_of_run("requests"), bench.size(6_000, 2_500)
    requests = [
        Requests.write(folder / str(start), each, partial(_request, start))
        for start in range(0, bench.rounds * each, each)
    ]
    with bench.redis() as redis:
        finish = Finish.of_a_worker(bench.ours(redis))
    made = {_name(stored): _level(bench, stack, stored, finish) for stored in levels}

    def sampler(level: _Level) -> Callable[[], Sample]:
        return lambda: level.sample(bench, requests)

    return bench.contest(findings, "growth", {name: sampler(level) for name, level in made.items()})


def _level(bench: Bench, stack: ExitStack, stored: int, finish: Finish) -> _Level:
    redis = stack.enter_context(bench.redis())
    ours = bench.ours(redis)
    store_finished(ours.redis.url, stored, finish)
    return _Level(stored, ours, stack.enter_context(ours.receiver()), finish)


def _request(first: int, number: int) -> bytes:
    return esa_request(first + number)


def _page_ms(store: Store, wanted: Filter) -> float:
    took = []
    for _ in range(_PAGES):
        began = time.perf_counter()
        page = search(store, wanted, size=_PAGE_EVENTS).events
        took.append((time.perf_counter() - began) * 1000)
        if len(page) < _PAGE_EVENTS:
            raise NotMeasuredError(f"a page had {len(page)} events, of {len(store.event_ids())} stored")
    return statistics.median(took)


def _name(stored: int) -> str:
    return f"{stored:,} stored"


def _cpu_table(samples: Samples, few: str, many: str) -> Table:
    rows = [[name, *(spread_text(samples, name, figure) for figure in _CPU)] for name in samples]
    if samples.get(few) and samples.get(many):
        rows.append(
            ["the most against the least", *(_times_as_much(samples, few, many, each) for each in _CPU)]
        )
    columns = ("", "receiver, µs", "worker, µs", "Redis, µs", "all, µs")
    return Table("Growth: CPU per event", columns, rows, _NOTE)


def _times_as_much(samples: Samples, few: str, many: str, figure: str) -> str:
    slope = median(samples[many], figure) - median(samples[few], figure)
    return f"× {ratio(samples[many], samples[few], figure):.3f} ({slope:+.1f} µs)"


def _time_table(samples: Samples) -> Table:
    rows = [[name, *(spread_text(samples, name, figure, 1) for figure in _TIMES)] for name in samples]
    columns = ("", "`hookline events`, ms", "newest page, ms", "page of three days ago, ms")
    return Table("Growth: looking at what is stored", columns, rows)
