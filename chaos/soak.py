"""A second Hookline beside the campaign, with no faults and a steady load, whose memory is watched."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from bench.machine import PROC
from chaos.deliveries import deliveries
from chaos.memory import MemoryLog
from chaos.pipeline import Pipeline
from chaos.records import Answer
from chaos.redis_servers import RedisServer
from chaos.senders import Senders

RATE_PER_SECOND = 10.0
SAMPLE_SECONDS = 2.0
# Half a minute, so that Redis holds the same number of events all the time and must be flat as well.
RETENTION = "done_days = 0.00035\ndead_days = 0.00035"


async def soak(folder: Path, seconds: float, seed: int) -> MemoryLog:
    """Load it for so long, and give the memory of its processes."""
    log = MemoryLog()
    redis = RedisServer(folder / "redis", folder)
    await redis.start()
    try:
        async with Pipeline(folder, redis=redis.address, retention=RETENTION) as pipeline:
            answers: list[Answer] = []
            load = Senders(pipeline.url, seed, answers).send(
                deliveries(int(seconds * RATE_PER_SECOND), seed + 1), RATE_PER_SECOND
            )
            watch = asyncio.create_task(_watch(redis, pipeline, log))
            try:
                await load
            finally:
                watch.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watch
            await pipeline.stop_workers()
    finally:
        await redis.stop()
    return log


async def _watch(redis: RedisServer, pipeline: Pipeline, log: MemoryLog) -> None:
    while True:
        log.note(time.monotonic(), await asyncio.to_thread(_sizes, redis, pipeline))
        await asyncio.sleep(SAMPLE_SECONDS)


def _sizes(redis: RedisServer, pipeline: Pipeline) -> dict[str, int]:
    sizes = {"redis": resident_bytes(redis.pid)}
    for program in (*pipeline.receivers, *pipeline.workers):
        sizes[program.name] = resident_bytes(program.pid)
        children = [resident_bytes(pid) for pid in program.children()]
        if children:
            sizes[f"{program.name}, largest child"] = max(children)
    return sizes


def resident_bytes(pid: int) -> int:
    """What this process has in memory now; 0 when it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), 0)
