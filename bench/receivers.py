"""Everything that can take a delivery: Hookline's receiver, and what people would use instead."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bench import Bench
from bench.contest import NotMeasuredError
from bench.deliveries import ESA_SECRET, MISSKEY_SECRET
from bench.install import PEERS
from bench.ours import Receiver
from bench.processes import Process, free_port
from bench.redis_servers import RedisServer

PROGRAMS = PEERS / "ingest"

Command = Sequence[str | Path]
Make = Callable[[Bench, RedisServer], Process]


@dataclass(frozen=True, slots=True)
class Contestant:
    """One receiver. `make` gives its process, not started yet."""

    name: str
    make: Make
    stores: bool = True
    lags: bool = False
    """It answers before its work is done: its load is short, and its CPU time is read when it rests again."""
    warm_up_seconds: float = 0.5


def hookline(bench: Bench, redis: RedisServer) -> Receiver:
    """One receiver process."""
    return bench.ours(redis).receiver()


def aiohttp_program(program: str) -> Make:
    """An aiohttp application, in Hookline's own environment: the same aiohttp, redis-py and RQ."""

    def make(bench: Bench, redis: RedisServer) -> Process:
        return _peer(bench, redis, program, [sys.executable, PROGRAMS / f"{program}.py"])

    return make


def fastapi_arq(bench: Bench, redis: RedisServer) -> Process:
    """FastAPI under uvicorn: one process, and what `uvicorn[standard]` brings (uvloop, httptools)."""
    if bench.tools.peers_python is None:
        raise NotMeasuredError(bench.tools.missing["Python peers"])
    port = free_port()
    command: Command = [
        *(bench.tools.peers_python, "-m", "uvicorn", "fastapi_arq:app", "--port", str(port)),
        *("--no-access-log", "--log-level", "warning"),
    ]
    return _peer(bench, redis, "fastapi_arq", command, port, {"PYTHONPATH": str(PROGRAMS)})


def fastify_bullmq(*, pipelined: bool) -> Make:
    """Fastify and BullMQ on Node, with ioredis as it is or gathering the commands of a turn of its loop."""

    def make(bench: Bench, redis: RedisServer) -> Process:
        node, folder = bench.tools.node, bench.tools.node_folder
        if node is None or folder is None:
            raise NotMeasuredError(bench.tools.missing["npm peers"])
        # Node looks for a module's imports beside the module itself.
        program = folder / "fastify_bullmq.mjs"
        program.write_bytes((PROGRAMS / program.name).read_bytes())
        environment = {"NODE_ENV": "production", "BENCH_PIPELINED": "yes" if pipelined else ""}
        return _peer(bench, redis, "fastify_bullmq", [node, program], environment=environment)

    return make


def webhook(bench: Bench, redis: RedisServer) -> Process:
    """adnanh's webhook, which starts `/bin/true` for each delivery: it stores nothing, it runs commands."""
    if bench.tools.webhook is None:
        raise NotMeasuredError(bench.tools.missing["webhook"])
    port = free_port()
    command: Command = [
        *(bench.tools.webhook, "-hooks", PROGRAMS / "hooks.json", "-template"),
        *("-ip", "127.0.0.1", "-port", str(port)),
    ]
    return _peer(bench, redis, "webhook", command, port)


def _peer(
    bench: Bench,
    redis: RedisServer,
    name: str,
    command: Command,
    port: int = 0,
    environment: dict[str, str] | None = None,
) -> Process:
    """A peer that listens on a port of its own, which it is told unless its command already says it."""
    port = port or free_port()
    told = {
        "BENCH_PORT": str(port),
        "BENCH_REDIS_URL": redis.url,
        "BENCH_ESA_SECRET": ESA_SECRET,
        "BENCH_MISSKEY_SECRET": MISSKEY_SECRET,
    }
    return Process(
        name,
        command,
        folder=bench.folder_of_run("peer"),
        environment=told | (environment or {}),
        port=port,
    )


HOOKLINE = Contestant("Hookline", hookline)
BARE = Contestant("bare aiohttp handler", aiohttp_program("bare_aiohttp"), stores=False)
ENQUEUE = Contestant("aiohttp + Queue.enqueue", aiohttp_program("enqueue_aiohttp"))
NODE_WARM_UP_SECONDS = 2.5
"""Node compiles what is hot only after a while; in its first second it accepts a third less."""
BULLMQ = Contestant("Fastify + BullMQ", fastify_bullmq(pipelined=False), warm_up_seconds=NODE_WARM_UP_SECONDS)
PIPELINED = Contestant(
    "Fastify + BullMQ, pipelined", fastify_bullmq(pipelined=True), warm_up_seconds=NODE_WARM_UP_SECONDS
)
ARQ = Contestant("FastAPI + arq", fastapi_arq)
WEBHOOK = Contestant("webhook", webhook, stores=False, lags=True, warm_up_seconds=0.2)
