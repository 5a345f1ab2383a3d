"""A whole Hookline as users run it: two receivers, two workers, one Redis; and the network between them."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from chaos.clocks import SteppedClock
from chaos.deliveries import PROVIDERS, SECRETS
from chaos.network import Address, Proxy
from chaos.programs import Program
from hookline.workbench import RECEIVER_READY, WORKER_READY

PLUGINS = Path(__file__).parent / "plugins"
RECEIVERS = WORKERS = 2
BACKLOG = 1024

CONFIG = """\
[redis]
{redis}

[receiver]
admin_port = 0

[spool]
folder = "{spool}"

[worker]
plugins = ["{plugins}"]
backoff_base_seconds = 0.2

[retention]
{retention}

[logging]
format = "json"
"""


class Pipeline:
    """Use as an async context manager.

    It is given the address of a Redis, which it reaches by its proxies, or the URL of one that it reaches by
    itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        redis: Address = ("", 0),
        redis_url: str = "",
        clock: SteppedClock | None = None,
        redis_settings: str = "",
        retention: str = "",
    ) -> None:
        self.folder, self.clock, self._redis_url = folder, clock, redis_url
        self.witness = folder / "witness"
        self.spool = folder / "spool"
        self.spool.mkdir(parents=True, exist_ok=True)
        # Ours, and shared by all receivers, as systemd does it: what connects while one is replaced waits.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.to_receivers = Proxy(self._listener.getsockname)
        self.receivers_to_redis = Proxy(lambda: redis)
        self.workers_to_redis = Proxy(lambda: redis)
        self.receivers: list[Program] = []
        self.workers: list[Program] = []
        self._numbers = itertools.count(1)
        self._write_settings(redis_settings, retention)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            for proxy in (self.to_receivers, self.receivers_to_redis, self.workers_to_redis):
                await stack.enter_async_context(proxy)
            stack.callback(self._destroy)
            for _ in range(RECEIVERS):
                await self.start_receiver()
            for _ in range(WORKERS):
                await self.start_worker()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Where senders post to, without the source's path."""
        return f"http://127.0.0.1:{self.to_receivers.port}"

    async def start_receiver(self) -> Program:
        """Start one more receiver; it takes its share once it is ready."""
        receiver = self._program("hookline_receiver", RECEIVER_READY, self.receivers, self.receivers_to_redis)
        await receiver.start()
        self.receivers.append(receiver)
        return receiver

    async def start_worker(self) -> Program:
        """Start one more worker."""
        worker = self._program("hookline_worker", WORKER_READY, self.workers, self.workers_to_redis)
        await worker.start()
        self.workers.append(worker)
        return worker

    async def stop_workers(self) -> None:
        """Ask every worker to stop, in its order."""
        for worker in self.workers:
            worker.signal(signal.SIGTERM)
        for worker in self.workers:
            await worker.terminate()

    def _program(self, module: str, ready: str, peers: Sequence[Program], redis: Proxy) -> Program:
        """A process, the first of its kind by a clock that can be stepped; its successors inherit that."""
        name = f"{module.partition('_')[2]}-{next(self._numbers)}"
        by_stepped_clock = self.clock is not None and not any(_has_stepped_clock(each) for each in peers)
        clock = self.clock.environment if self.clock is not None and by_stepped_clock else {}
        return Program(
            name + ("-stepped" if clock else ""),
            [sys.executable, "-m", module, "--config", self.folder / "hookline.toml"],
            folder=self.folder,
            environment={
                **clock,
                "HOOKLINE_REDIS__URL": self._redis_url or f"redis://127.0.0.1:{redis.port}/0",
                "CHAOS_WITNESS": str(self.witness),
                **{f"CHAOS_{source.upper()}": secret.decode() for source, secret in SECRETS.items()},
            },
            ready=ready,
            listener_fd=self._listener.fileno() if module == "hookline_receiver" else None,
        )

    def _write_settings(self, redis: str, retention: str) -> None:
        sources = [
            f'[sources.{source}]\nprovider = "{provider}"\nsecrets = ["env:CHAOS_{source.upper()}"]\n'
            for source, provider in PROVIDERS.items()
        ]
        text = CONFIG.format(plugins=PLUGINS, spool=self.spool, redis=redis, retention=retention)
        (self.folder / "hookline.toml").write_text("\n".join([text, *sources]), encoding="utf-8")

    def _destroy(self) -> None:
        for program in (*self.receivers, *self.workers):
            program.destroy()
        self._listener.close()


def _has_stepped_clock(program: Program) -> bool:
    return program.lives and program.name.endswith("-stepped")
