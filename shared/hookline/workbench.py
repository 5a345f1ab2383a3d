"""Everything on one machine: the embedded Redis, a receiver and a worker, as `hookline dev` runs them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.service import LogLine, Service
from hookline.settings import Redis as RedisSettings
from hookline.store import Store

RECEIVER_READY = "receiver is listening"
WORKER_READY = "worker has started"


class Workbench:
    """Use as a context manager. `environment` says how the processes differ from the settings file."""

    def __init__(
        self,
        folder: Path,
        *,
        queue: str = "hookline",
        environment: Mapping[str, str],
        on_log: Callable[[LogLine], None],
    ) -> None:
        self._redis = EmbeddedRedis(folder)
        self._queue = queue
        self._environment = dict(environment)
        self._on_log = on_log
        self._stack = contextlib.ExitStack()
        self.worker: Service | None = None
        self.receiver_url = ""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._redis)
            self._environment["HOOKLINE_REDIS__URL"] = self._redis.url
            # Not the one of the settings, whose events are for another Redis.
            self._environment["HOOKLINE_SPOOL__FOLDER"] = str(self._redis.folder / "spool")
            self.store = Store(connect(RedisSettings(url=self._redis.url)), self._queue)
            stack.callback(self.stop_worker)
            receiver = Service(
                "hookline_receiver", environment=self._environment, ready=RECEIVER_READY, on_log=self._on_log
            )
            stack.callback(receiver.stop)
            self.receiver_url = receiver.wait_until_ready()["url"]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def redis_url(self) -> str:
        """Where the embedded Redis answers."""
        return self._redis.url

    def start_worker(self) -> None:
        """Start the worker, which imports the plugins; raises ServiceError with what is wrong with them."""
        self.worker = Service(
            "hookline_worker", environment=self._environment, ready=WORKER_READY, on_log=self._on_log
        )
        self.worker.wait_until_ready()

    def stop_worker(self) -> None:
        """Stop the worker, if there is one; what is under way gets its time to finish."""
        if self.worker is not None:
            self.worker.stop()
            self.worker = None
