"""A Hookline installation for one measurement: settings and a plugin in a folder, processes over a Redis."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Self

from redis.asyncio import Redis as AsyncRedis

from bench.contest import NotMeasuredError
from bench.deliveries import ESA_SECRET, MISSKEY_SECRET, Make, esa, misskey, raw_events
from bench.deployed import set_up
from bench.processes import Process
from bench.redis_servers import RedisServer
from hookline.intake import CommitScript
from hookline.keys import COUNTERS_KEY
from hookline.queue import GROUP_EVENTS, QueueKeys
from hookline.workbench import RECEIVER_READY, WORKER_READY

QUEUE = "hookline"
SOURCES = {"misskey": misskey, "team": esa}
_PROVIDERS = {"misskey": "misskey", "team": "esa"}
_HELD = "bench:held"
_PATIENCE_SECONDS = 300.0

NO_OP = """
from hookline import action, esa, misskey


@action(misskey.Note, esa.PostCreate)
async def no_op(event):
    pass
"""

_CONFIG = """
[worker]
plugins = ["{plugins}"]
{worker}

[sources.misskey]
provider = "misskey"
secrets = ["env:BENCH_MISSKEY_SECRET"]

[sources.team]
provider = "esa"
secrets = ["env:BENCH_ESA_SECRET"]
"""


class Receiver(Process):
    """A receiver, one process or several that share its port."""

    @property
    def url(self) -> str:
        """Where it takes deliveries, such as `http://127.0.0.1:12345`."""
        return str(json.loads(self.line(RECEIVER_READY))["url"])


class Ours:
    """Settings, one plugin and a Redis; gives processes that are started by `with`."""

    def __init__(self, folder: Path, redis: RedisServer, *, plugin: str = NO_OP, worker: str = "") -> None:
        self.folder = folder
        self.redis = redis
        set_up(redis.client)
        plugins = folder / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "bench_plugin.py").write_text(plugin)
        self._config = folder / "hookline.toml"
        self._config.write_text(_CONFIG.format(plugins=plugins, worker=worker))

    def receiver(self, *arguments: str) -> Receiver:
        """A receiver; `url` is known once it is started."""
        return Receiver(
            "receiver",
            [sys.executable, "-m", "hookline_receiver", *arguments],
            folder=self.folder,
            environment=self.environment(),
            ready=RECEIVER_READY,
        )

    def worker(self, *arguments: str, name: str = "worker") -> Process:
        """A worker; several on one machine need names of their own, for their logs."""
        return Process(
            name,
            [sys.executable, "-m", "hookline_worker", *arguments],
            folder=self.folder,
            environment=self.environment(),
            ready=WORKER_READY,
        )

    def environment(self) -> dict[str, str]:
        """What the processes are told beside the settings file."""
        return {
            "HOOKLINE_CONFIG": str(self._config),
            "HOOKLINE_REDIS__URL": self.redis.url,
            "HOOKLINE_RECEIVER__PORT": "0",
            "HOOKLINE_RECEIVER__ADMIN_PORT": "0",
            "HOOKLINE_LOGGING__FORMAT": "json",
            "BENCH_MISSKEY_SECRET": MISSKEY_SECRET,
            "BENCH_ESA_SECRET": ESA_SECRET,
        }

    def fill(self, count: int, *, source: str = "misskey", first: int = 0) -> int:
        """Store so many waiting events in full groups, as the receiver commits them under load.

        Gives the bytes of their bodies and headers.
        """
        return asyncio.run(self._fill(SOURCES[source], source, range(first, first + count)))

    async def _fill(self, make: Make, source: str, numbers: range) -> int:
        stored_bytes = 0
        async with AsyncRedis(port=self.redis.port) as client:
            commit = CommitScript(client, QUEUE)
            for start in range(numbers.start, numbers.stop, GROUP_EVENTS):
                these = range(start, min(numbers.stop, start + GROUP_EVENTS))
                group = list(raw_events(source, _PROVIDERS[source], make, these))
                await commit(group)
                stored_bytes += sum(len(event.body) + len(event.headers) for event in group)
        return stored_bytes

    def hold(self) -> None:
        """Put the waiting jobs where no worker looks, so that several can start before any of them works."""
        self.redis.client.rename(QueueKeys(QUEUE).queue, _HELD)

    def let_go(self) -> None:
        """Put them back, all at once."""
        self.redis.client.rename(_HELD, QueueKeys(QUEUE).queue)

    def finished(self) -> int:
        """How many events are done; NotMeasuredError when one is a dead letter."""
        counters: Any = self.redis.client.hgetall(COUNTERS_KEY)
        done, dead = (
            sum(int(n) for name, n in counters.items() if name.startswith(state))
            for state in (b"done:", b"dead:")
        )
        if dead:
            raise NotMeasuredError(f"{dead} events became dead letters")
        return done

    def wait_until_finished(self, count: int, *workers: Process, look_seconds: float = 0.01) -> Self:
        """Wait until so many events are done, while these workers live."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while self.finished() < count:
            for worker in workers:
                worker.check()
            if time.monotonic() > until:
                raise NotMeasuredError(f"{self.finished()} of {count} were done in {_PATIENCE_SECONDS:g} s")
            time.sleep(look_seconds)
        return self
