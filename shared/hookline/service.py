"""A receiver or a worker as a child process, its log read line by line."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hookline.errors import HooklineError
from hookline.processes import die_with_parent

START_SECONDS = 30.0

LogLine = dict[str, Any]


class ServiceError(HooklineError):
    """Raised when a receiver or worker did not start; the message is what it said."""


class Service:
    """One started process. `on_log` is called, in a thread, with each line of its log."""

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        environment: Mapping[str, str],
        ready: str,
        on_log: Callable[[LogLine], None] = lambda line: None,
    ) -> None:
        self.module = module
        self.ready_line: LogLine = {}
        self._ready_event, self._on_log = ready, on_log
        self._ready = threading.Event()
        self._said: list[str] = []
        self._process = subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **environment, **_logging()},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us; we stop it in our order
            preexec_fn=die_with_parent,  # one prctl, before the child has any thread
        )
        self._reader = threading.Thread(target=self._read, name=f"log of {module}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait_until_ready(self) -> LogLine:
        """The log line that says it is ready; raises ServiceError with its last words if it ended instead."""
        if not self._ready.wait(START_SECONDS) or not self.ready_line:
            words = "\n".join(self._said[-10:]) or f"it ended with status {self.exit_status} and said nothing"
            raise ServiceError(words)
        return self.ready_line

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self._process.poll() is None:
            self._process.send_signal(signum)

    def stop(self) -> int:
        """Ask it to stop, and give its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended and all of its log is read."""
        status = self._process.wait()
        self._reader.join(timeout=5)
        return status

    def _read(self) -> None:
        with self._process.stderr or io.BytesIO() as stream:
            for raw in stream:
                self._take(raw.decode("utf-8", "backslashreplace").rstrip("\n"))
        self._ready.set()  # it has ended: nobody need wait any longer

    def _take(self, text: str) -> None:
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict) or "event" not in line:
            self._said.append(text)
            if not self._ready.is_set():
                return  # why it does not start, which whoever waits for it is told
            line = {"event": text, "level": "error", "process": self.module}
        if line["event"] == self._ready_event and not self.ready_line:
            self.ready_line = line
            self._ready.set()
        self._on_log(line)


def _logging() -> dict[str, str]:
    """What makes its log readable to us: the line that says it is ready is one of `info`."""
    level = "debug" if os.environ.get("HOOKLINE_LOGGING__LEVEL") == "debug" else "info"
    return {"HOOKLINE_LOGGING__FORMAT": "json", "HOOKLINE_LOGGING__LEVEL": level}
