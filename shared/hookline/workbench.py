"""Everything on one machine, as `hookline dev` has it: an embedded Redis, a receiver, a worker, a console."""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.service import LogLine, Service, ServiceError
from hookline.settings import Redis as RedisSettings
from hookline.store import Store

RECEIVER_READY = "receiver is listening"
WORKER_READY = "worker has started"
CONSOLE_READY = "console is listening"
CONSOLE_NEEDS = "jinja2"


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

    def start_console(self) -> str:
        """Start the console, and say where it is and what lets one in, or why there is none."""
        if importlib.util.find_spec(CONSOLE_NEEDS) is None:
            return "no console: pip install 'hookline[console]'"
        environment = self._environment | {
            "HOOKLINE_CONSOLE__PASSWORD": "env:CONSOLE_PASSWORD",
            "CONSOLE_PASSWORD": (password := self._console_password()),
        }
        service = Service(
            "hookline_console", environment=environment, ready=CONSOLE_READY, on_log=self._on_log
        )
        self._stack.callback(service.stop)
        try:
            return f"the console is at {service.wait_until_ready()['url']}, its password is {password}"
        except ServiceError as error:
            return f"no console: {error}"

    def _console_password(self) -> str:
        """Made once, so that a browser may remember it."""
        file = self._redis.folder / "console-password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(12))
        return file.read_text()

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
