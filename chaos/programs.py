"""A program under test, started from the main thread: the kernel ends it with the thread that started it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.machine import tree
from hookline.errors import HooklineError
from hookline.processes import die_with_parent

START_SECONDS = 60.0
STOP_SECONDS = 45.0
_LOOK_SECONDS = 0.02
_LAST_LINES = 15
# As sd_listen_fds(3) has it: the socket is descriptor 3, and LISTEN_PID is the process that is meant.
_WITH_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], sys.argv[2:])
"""


class ProgramError(HooklineError):
    """Raised when a program did not start, or did not stop; its last words are in the message."""


class Program:
    """One process with its log in a file. Nothing here waits without giving way to the others."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        ready: str = "",
        listener_fd: int | None = None,
    ) -> None:
        self.name = name
        self.log_file = folder / f"{name}.log"
        self._command = [str(word) for word in command]
        self._folder, self._environment, self._ready = folder, dict(environment or {}), ready
        self._passed_fds = () if listener_fd is None else (listener_fd,)
        if listener_fd is not None:
            launcher = [sys.executable, "-I", "-S", "-c", _WITH_SOCKET, str(listener_fd)]
            self._command = [*launcher, *self._command]
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise ProgramError(f"{self.name} was never started")
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def launch(self) -> None:
        """Start it; `until_ready` waits for it."""
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 (a program that the harness has chosen)
                self._command,
                cwd=self._folder,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self._passed_fds,
                preexec_fn=die_with_parent,
            )

    async def start(self) -> None:
        """Start it, and come back when it is ready; ProgramError quotes its last words when it isn't."""
        self.launch()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until its log says that it is ready."""
        until = time.monotonic() + START_SECONDS
        while not self._says(self._ready):
            if not self.lives:
                raise ProgramError(f"{self.name} ended with status {self.status}:\n{self.last_words()}")
            if time.monotonic() > until:
                raise ProgramError(f"{self.name} was not ready in {START_SECONDS:g} s:\n{self.last_words()}")
            await asyncio.sleep(_LOOK_SECONDS)

    def signal(self, signum: signal.Signals) -> float:
        """Send it a signal; gives the time just before."""
        at = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signum)
        return at

    async def ended(self, seconds: float = STOP_SECONDS) -> bool:
        """Wait for its end; whether it came in time."""
        until = time.monotonic() + seconds
        while self.lives:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def terminate(self) -> int:
        """Ask it to stop, as a supervisor does; gives its exit status, and kills it when it doesn't."""
        self.signal(signal.SIGTERM)
        if not await self.ended():
            self.destroy()
            raise ProgramError(f"{self.name} had not stopped {STOP_SECONDS:g} s after SIGTERM")
        return self.status or 0

    def destroy(self) -> None:
        """Kill it and all that it started, at once."""
        if self._process is None:
            return
        for pid in tree(self._process.pid) if self.lives else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def children(self) -> list[int]:
        """The processes that it has forked."""
        return tree(self.pid)[1:] if self.lives else []

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self._log().splitlines()[-_LAST_LINES:])

    def _says(self, text: str) -> bool:
        return text in self._log()

    def _log(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", "replace")


def collect_orphans() -> None:
    """Kill what a killed program left behind, once the programs themselves are gone."""
    for pid in tree(os.getpid())[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
