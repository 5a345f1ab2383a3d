"""What Redis needs for an event that waits: sent over HTTP, committed by the receiver, and nobody works."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.bench import Bench
from bench.contest import Findings, Sample, Samples, Table, median
from bench.deliveries import (
    ESA_BYTES,
    ESA_PATH,
    MISSKEY_BYTES,
    MISSKEY_PATH,
    Make,
    esa,
    esa_request,
    misskey,
    misskey_request,
    stored_headers,
)
from bench.load import Requests, load_all
from bench.redis_servers import RedisServer
from bench.report import spread_text

EVENT, OVER_BODY, OVER_ALL = "bytes_per_event", "bytes_over_the_body", "bytes_over_body_and_headers"
FIGURE = "memory.overhead_bytes"
_CONNECTIONS = 64
_WARM_UP = 256
_NOTE = (
    "Sent over 64 connections while no worker is there, so that the receiver groups them as under load: "
    "Redis's `used_memory` (without buffers of connections and of the append-only file) afterwards less "
    "before, per event. Beside the headers and the body it holds the dedupe key, the index, the share in "
    "the job, and what the allocator rounds up. The target is for what is over the delivery's own bytes, "
    "body and stored headers, of the kind that has the most."
)


@dataclass(frozen=True, slots=True)
class _Kind:
    make: Make
    request: Callable[[int], bytes]
    path: str
    body_bytes: int


_KINDS = {
    "esa, 1 kB": _Kind(esa, esa_request, ESA_PATH, ESA_BYTES),
    "Misskey, 4 kB": _Kind(misskey, misskey_request, MISSKEY_PATH, MISSKEY_BYTES),
}


def measure(bench: Bench, findings: Findings) -> None:
    """The memory of each kind of event."""
    events = bench.size(20_000, 4_000)
    contestants = {name: _sampler(bench, kind, events) for name, kind in _KINDS.items()}
    samples = bench.contest(findings, "memory", contestants, rounds=bench.size(2, 1))
    findings.tables.append(_table(samples))
    if all(samples.get(name) for name in _KINDS):
        over = [median(samples[name], OVER_ALL) for name in _KINDS]
        findings.figures[FIGURE] = max(over)
        findings.ranges[FIGURE] = (min(over), max(over))


def _sampler(bench: Bench, kind: _Kind, events: int) -> Callable[[], Sample]:
    def measure() -> Sample:
        folder = bench.folder_of_run("requests")
        warm_up = Requests.write(folder / "warm-up", _WARM_UP, kind.request)
        requests = Requests.write(folder / "all", events, lambda number: kind.request(_WARM_UP + number))
        with bench.redis() as redis, bench.ours(redis).receiver() as receiver:
            _send(bench, receiver.url + kind.path, warm_up)
            before = _bytes(redis)
            _send(bench, receiver.url + kind.path, requests)
            each = (_bytes(redis) - before) / events
        headers = len(stored_headers(kind.make(0)))
        return {
            EVENT: each,
            OVER_BODY: each - kind.body_bytes,
            OVER_ALL: each - kind.body_bytes - headers,
        }

    return measure


def _send(bench: Bench, url: str, requests: Requests) -> None:
    load_all(bench.wrk, url, requests, connections=_CONNECTIONS)


def _bytes(redis: RedisServer) -> int:
    """What the data takes, once nothing is on its way any more."""
    time.sleep(0.2)
    told = redis.client.info("memory")
    return int(told["used_memory"] - told["mem_clients_normal"] - told["mem_aof_buffer"])


def _table(samples: Samples) -> Table:
    figures = (EVENT, OVER_BODY, OVER_ALL)
    rows = [[name, *(spread_text(samples, name, figure) for figure in figures)] for name in samples]
    columns = ("", "bytes per waiting event", "over the body", "over the body and the stored headers")
    return Table("Memory: what an event that waits takes in Redis", columns, rows, _NOTE)
