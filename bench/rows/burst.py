"""A burst: deliveries as fast as they go, while nobody works; then a worker, until the last one is done."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.bench import Bench
from bench.contest import Findings, Sample, Samples, Table, median
from bench.deliveries import mixed_request
from bench.load import Load, Requests, load_all
from bench.machine import MemoryWatch
from bench.ours import Ours
from bench.redis_servers import RedisServer
from bench.report import spread_text
from hookline.keys import EVENT_PREFIX
from hookline.store import Store

NAME = "burst"
CONNECTIONS = 256
MEBIBYTE = 2**20
ROUNDS = 1
COLUMNS = ("", "accept them", "to empty", "drained/s", "accepted", "done", "lost")
MEMORY_COLUMNS = ("", "receiver", "worker", "largest child", "Redis process", "of it, data")


def measure(bench: Bench) -> Findings:
    """One burst for each kind of worker."""
    findings = Findings(NAME)
    count = bench.size(100_000, 6_000)
    requests = Requests.write(bench.folder_of_run("requests") / "mixed", count, mixed_request)
    contestants = {
        "forking": _burst(bench, requests),
        "--no-fork": _burst(bench, requests, "--no-fork"),
    }
    samples = bench.contest(findings, f"{count:,} deliveries", contestants, ROUNDS, show=_show)
    findings.tables += [_table(samples, count), _memory_table(samples)]
    for name in samples:
        findings.figures[f"burst.{name.strip('-')}.lost"] = median(samples[name], "lost")
    return findings


def _burst(bench: Bench, requests: Requests, *arguments: str) -> Callable[[], Sample]:
    def sample() -> Sample:
        with bench.redis("always") as redis:
            ours = bench.ours(redis)
            found = _accept(bench, ours, requests)
            found |= _empty(ours, len(requests.starts), arguments)
            return found | _lost(redis, len(requests.starts)) | _memory(redis)

    return sample


def _accept(bench: Bench, ours: Ours, requests: Requests) -> Sample:
    with ours.receiver() as receiver, MemoryWatch(receiver.pid) as memory:
        came: Load = load_all(bench.wrk, receiver.url, requests, connections=CONNECTIONS)
    return {"accept_seconds": came.seconds, "receiver_peak_mib": memory.own_bytes / MEBIBYTE}


def _empty(ours: Ours, count: int, arguments: tuple[str, ...]) -> Sample:
    """From starting the worker until the last event is done: what somebody who restarts it waits for."""
    began = time.monotonic()
    with ours.worker(*arguments) as worker, MemoryWatch(worker.pid) as memory:
        ours.wait_until_finished(count, worker, look_seconds=0.05)
        seconds = time.monotonic() - began
    return {
        "empty_seconds": seconds,
        "drained_per_second": count / seconds,
        "worker_peak_mib": memory.own_bytes / MEBIBYTE,
        "child_peak_mib": memory.largest_child_bytes / MEBIBYTE,
    }


def _lost(redis: RedisServer, accepted: int) -> Sample:
    """Every delivery was answered 202 as new; so many must be stored, and so many done."""
    ids = Store(redis.client).event_ids()
    with redis.client.pipeline(transaction=False) as pipeline:
        for event_id in ids:
            pipeline.hget(EVENT_PREFIX + event_id, "state")
        done = sum(state == b"done" for state in pipeline.execute())
    return {"accepted": accepted, "done": done, "lost": accepted - done}


def _memory(redis: RedisServer) -> Sample:
    return {
        "redis_process_peak_mib": redis.peak_memory_bytes() / MEBIBYTE,
        "redis_data_peak_mib": redis.peak_data_bytes() / MEBIBYTE,
    }


def _show(sample: Sample) -> str:
    accept, empty = sample["accept_seconds"], sample["empty_seconds"]
    return f"[bold]{accept:.1f}[/] s to accept, [bold]{empty:.1f}[/] s to empty, {sample['lost']:.0f} lost"


def _table(samples: Samples, count: int) -> Table:
    rows = [
        [
            name,
            f"{spread_text(samples, name, 'accept_seconds', 1)} s",
            f"{spread_text(samples, name, 'empty_seconds', 1)} s",
            spread_text(samples, name, "drained_per_second"),
            *(f"{median(samples[name], figure):,.0f}" for figure in ("accepted", "done", "lost")),
        ]
        for name in samples
    ]
    note = (
        f"Half esa of 1 kB and half Misskey of 4 kB over {CONNECTIONS} connections, fsync at every commit; "
        "one receiver, and then one worker. The time to empty begins when the worker is started. Lost is "
        "what was answered 202 and is not recorded as done."
    )
    return Table(f"Burst: {count:,} deliveries, then the drain", COLUMNS, rows, note)


def _memory_table(samples: Samples) -> Table:
    figures = (
        "receiver_peak_mib",
        "worker_peak_mib",
        "child_peak_mib",
        "redis_process_peak_mib",
        "redis_data_peak_mib",
    )
    rows = [[name, *(f"{spread_text(samples, name, figure)} MiB" for figure in figures)] for name in samples]
    return Table("Burst: peak memory", MEMORY_COLUMNS, rows)
