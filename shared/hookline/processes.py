"""Several processes of one kind: started, replaced when they die, stopped together."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

import structlog

RESTART_SECONDS = 1.0
"""A process that died sooner than this after its start is replaced only after as long a pause."""

log = structlog.get_logger(__name__)


def supervise(
    count: int, run: Callable[[], None], *, name: str, on_stop: Callable[[], None] = lambda: None
) -> int:
    """Run `run` in `count` forked processes until SIGTERM or SIGINT; gives the exit status.

    One process needs no supervision and runs right here. What was imported and opened before is shared;
    `on_stop` gives up this process's hold on it when the others begin to stop.
    """
    if count <= 1:
        run()
        return 0
    return _Supervisor(count, run, name, on_stop).run()


def die_with_parent() -> None:
    """Ask the kernel, where it offers that, to send this process SIGTERM when its parent dies."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)


class _Supervisor:
    def __init__(self, count: int, run: Callable[[], None], name: str, on_stop: Callable[[], None]) -> None:
        self._count, self._run, self._name, self._on_stop = count, run, name, on_stop
        self._started: dict[int, float] = {}
        self._stopping = False

    def run(self) -> int:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        for _ in range(self._count):
            self._start()
        failed = False
        while self._started:
            pid, status = os.wait()
            started_at = self._started.pop(pid, None)
            if started_at is None:
                continue
            failed = failed or (self._stopping and status != 0)
            if not self._stopping:
                log.error(f"{self._name} process died and is replaced", pid=pid, status=_say(status))
                time.sleep(max(0.0, RESTART_SECONDS - (time.monotonic() - started_at)))
                if not self._stopping:
                    self._start()
        return 1 if failed else 0

    def _start(self) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os._exit(self._child(parent))
        self._started[pid] = time.monotonic()
        if self._stopping:  # the signal came between the fork and the line above
            os.kill(pid, signal.SIGTERM)

    def _child(self, parent: int) -> int:
        die_with_parent()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, signal.SIG_DFL)
        if os.getppid() != parent:  # it died before we asked to be told
            return 1
        try:
            self._run()
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
        except BaseException:  # the boundary of a process: nothing above would say it
            traceback.print_exc()
            return 1
        return 0

    def _stop(self, signum: int, _frame: object) -> None:
        self._stopping = True
        self._on_stop()
        for pid in list(self._started):
            os.kill(pid, signum)


def _say(status: int) -> str:
    return (
        f"signal {os.WTERMSIG(status)}"
        if os.WIFSIGNALED(status)
        else f"exit {os.waitstatus_to_exitcode(status)}"
    )
