"""A program under measurement: started with its log in a file, waited for, stopped for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from bench.contest import NotMeasuredError
from hookline.processes import die_with_parent

START_SECONDS = 30.0
STOP_SECONDS = 15.0
_KILLED_SECONDS = 2.0
_LAST_WORDS = 15


class Process:
    """One program and what it started. Use as a context manager: leaving it stops them all.

    It is ready when its `port` answers, or its log has a line with the text `ready` in it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        ready: str = "",
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name.replace(' ', '-').replace('/', '-')}.log"
        self._command = [str(word) for word in command]
        self._folder, self._environment = folder, {**os.environ, **(environment or {})}
        self._port, self._ready = port, ready

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def url(self) -> str:
        """Where its port is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it and wait until it is ready; NotMeasuredError quotes its last words when it isn't."""
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 (a program that the bench has chosen)
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ask it to stop; kill what is still there, its children too."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            until = time.monotonic() + _KILLED_SECONDS
            while time.monotonic() < until:
                os.killpg(self._process.pid, 0)  # raises once the last of the group is gone
                time.sleep(0.005)
        self._process.wait()

    def line(self, text: str) -> str:
        """The first line of its log with this text in it; empty without one."""
        lines = self.log_file.read_text("utf-8", "replace").splitlines()
        return next((line for line in lines if text in line), "")

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log_file.read_text("utf-8", "replace").splitlines()[-_LAST_WORDS:])

    def check(self) -> None:
        """Raise NotMeasuredError when it has ended."""
        if self._process.poll() is not None:
            raise NotMeasuredError(
                f"{self.name} ended with status {self._process.returncode}:\n{self.last_words()}"
            )

    def _wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while not self._is_ready():
            self.check()
            if time.monotonic() > until:
                raise NotMeasuredError(
                    f"{self.name} was not ready in {START_SECONDS:g} s:\n{self.last_words()}"
                )
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        if self._ready:
            return bool(self.line(self._ready))
        return self._port is None or answers(self._port)


def answers(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(*processes: Process) -> Iterator[None]:
    """All of these, started in their order and stopped in the opposite one."""
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.enter_context(process)
        yield
