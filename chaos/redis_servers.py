"""Redis as it is run for certainty (append-only, fsync at every write), with somebody who starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import redis
import redis.asyncio

from bench.processes import free_port
from chaos.programs import Program
from hookline.redis_server import find_server

RESTART_SECONDS = 1.0
"""How long a supervisor waits before it starts a Redis again that has ended."""
READY = "Ready to accept connections"


class RedisServer:
    """A redis-server on a port of its own. Whenever it ends, it is started again, until `stop`."""

    def __init__(self, folder: Path, logs: Path, *, name: str = "redis", options: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._program = Program(
            name,
            [find_server().path, *_arguments(folder, self.port), *options],
            folder=logs,
            ready=READY,
        )
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process that is Redis now."""
        return self._program.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return ("127.0.0.1", self.port)

    async def start(self) -> None:
        """Start it, and whoever starts it again."""
        await self._program.start()
        self._keeper = asyncio.create_task(self._keep(), name="supervisor of redis")

    async def stop(self) -> None:
        """Stop it for good."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._program.destroy()

    def signal(self, signum: signal.Signals) -> float:
        """Send it a signal; gives the time just before."""
        return self._program.signal(signum)

    async def until_answering(self, seconds: float = 60.0) -> None:
        """Wait until it takes writes."""
        until = time.monotonic() + seconds
        while not await self.takes_writes():
            if time.monotonic() > until:
                raise TimeoutError(f"redis took no write in {seconds:g} s:\n{self._program.last_words()}")
            await asyncio.sleep(0.05)

    async def takes_writes(self) -> bool:
        """Whether a write succeeds now."""
        with contextlib.suppress(redis.RedisError, OSError):
            async with self.client() as client:
                return bool(await client.set("chaos:ready", 1))
        return False

    def client(self, response_seconds: float = 1.0) -> redis.asyncio.Redis:
        """A client that goes straight to it."""
        return redis.asyncio.Redis(port=self.port, socket_timeout=response_seconds, protocol=2)

    def blocking_client(self) -> redis.Redis:
        """The same, for reading the ledger when all is over."""
        return redis.Redis(port=self.port, protocol=2)

    async def configure(self, name: str, value: str | int) -> None:
        """Set one of its settings while it runs."""
        async with self.client(10.0) as client:
            await client.config_set(name, value)

    async def used_memory(self) -> int:
        """The bytes that its data takes."""
        async with self.client() as client:
            return int((await client.info("memory"))["used_memory"])

    async def _keep(self) -> None:
        while True:
            if not self._program.lives:
                await asyncio.sleep(RESTART_SECONDS)
                self._program.launch()
            await asyncio.sleep(0.05)


def _arguments(folder: Path, port: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": "16384",
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]
