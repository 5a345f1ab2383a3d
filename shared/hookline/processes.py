"""Several processes of one kind: started, replaced when they die or when asked to, stopped together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from hookline.succession import SIGNALS, execute_anew, predecessors, why_it_would_not_start

RESTART_SECONDS = 1.0
"""A process that died sooner than this after its start is replaced only after as long a pause."""

Run = Callable[[Callable[[], None]], None]
"""What a process does; it is given what to call as soon as it does its work."""

log = structlog.get_logger(__name__)


def supervise(count: int, run: Run, *, name: str, sockets: Sequence[socket.socket] = ()) -> int:
    """Run `run` in `count` forked processes until SIGTERM or SIGINT; gives the exit status.

    One process needs no supervision and runs right here. What was imported and opened before is shared.
    SIGHUP reads code and settings again and replaces the processes one by one, each by one that is ready.
    """
    if count <= 1:
        run(lambda: None)
        return 0
    return _Supervisor(count, run, name, sockets).run()


def die_with_parent() -> None:
    """Ask the kernel, where it offers that, to send this process SIGTERM when its parent dies."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM)


@dataclass(slots=True)
class _Child:
    started_at: float
    is_old: bool = False
    is_leaving: bool = False
    ready_pipe: int | None = None
    """Where it says that it is ready; None when it has."""

    def look(self) -> None:
        """Take note that it is ready, or has closed its end because it died."""
        if self.ready_pipe is not None:
            os.close(self.ready_pipe)
            self.ready_pipe = None


class _Supervisor:
    def __init__(self, count: int, run: Run, name: str, sockets: Sequence[socket.socket]) -> None:
        self._count, self._run, self._name, self._sockets = count, run, name, sockets
        now = time.monotonic()
        self._children = {pid: _Child(now, is_old=True) for pid in predecessors()}
        self._not_before = now
        self._is_asked_to_renew = self._is_stopping = self._has_failed = False
        self._wakeup, self._waker = os.pipe()
        for end in (self._wakeup, self._waker):
            os.set_blocking(end, False)

    def run(self) -> int:
        """Until it is told to stop and the last process has ended; gives the exit status."""
        self._take_signals()
        while self._children or not self._is_stopping:
            self._reap()
            if self._is_asked_to_renew and not self._is_stopping:
                self._renew()
            if not self._is_stopping:
                self._step()
            self._wait()
        return 1 if self._has_failed else 0

    def _take_signals(self) -> None:
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._stop)
        signal.signal(signal.SIGCHLD, _pass_over)  # it wakes us up
        if not os.isatty(0):  # from a terminal it means that there is nobody any more
            signal.signal(signal.SIGHUP, self._ask_to_renew)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _step(self) -> None:
        """Start what is missing; while old ones are there, one, and for it one of them may leave."""
        old = [(pid, child) for pid, child in self._children.items() if child.is_old]
        new = [child for child in self._children.values() if not child.is_old]
        if not old:
            while len(self._children) < self._count and not self._is_pausing() and not self._is_stopping:
                self._start()
        elif any(child.ready_pipe is not None for child in new):
            return
        elif len(self._children) > self._count or len(new) == self._count:
            pid, leaving = next((each for each in old if each[1].is_leaving), old[0])
            if not leaving.is_leaving:
                leaving.is_leaving = True
                os.kill(pid, signal.SIGTERM)
        elif not self._is_pausing():
            self._start()

    def _is_pausing(self) -> bool:
        return time.monotonic() < self._not_before

    def _wait(self) -> None:
        """Until a signal came, a child ended or is ready, or the pause is over."""
        if self._is_stopping and not self._children:
            return
        pipes = {child.ready_pipe: child for child in self._children.values() if child.ready_pipe is not None}
        pause = self._not_before - time.monotonic()
        readable, _, _ = select.select([self._wakeup, *pipes], [], [], pause if pause > 0 else None)
        for each in readable:
            if each in pipes:
                pipes[each].look()
            else:
                os.read(each, 4096)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = ended
                if child := self._children.pop(pid, None):
                    child.look()
                    self._note_end(pid, child, status)

    def _note_end(self, pid: int, child: _Child, status: int) -> None:
        self._has_failed = self._has_failed or (self._is_stopping and status != 0)
        if not self._is_stopping and not child.is_leaving:
            log.error(f"{self._name} process died and is replaced", pid=pid, status=_say(status))
            self._not_before = child.started_at + RESTART_SECONDS

    def _renew(self) -> None:
        self._is_asked_to_renew = False
        if reason := why_it_would_not_start():
            log.error(f"{self._name} processes go on as they are: new ones would not start", reason=reason)
        elif not self._is_stopping:
            log.info(f"{self._name} processes are replaced one by one")
            execute_anew(list(self._children), self._sockets)

    def _start(self) -> None:
        parent = os.getpid()
        ready_pipe, tell = os.pipe()
        # Until the child has handlers of its own, and we know of it, no signal must meet ours in either.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        pid = os.fork()
        if pid == 0:
            os._exit(self._child(parent, tell))
        os.close(tell)
        self._children[pid] = _Child(time.monotonic(), ready_pipe=ready_pipe)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _child(self, parent: int, tell: int) -> int:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signum, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, _pass_over)  # sent to all of a service, it is for the supervisor
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if os.getppid() != parent:  # it died before we asked to be told
            return 1
        try:
            self._run(lambda: os.close(tell))
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
        except BaseException:  # the boundary of a process: nothing above would say it
            traceback.print_exc()
            return 1
        return 0

    def _stop(self, signum: int, _frame: object) -> None:
        self._is_stopping = True
        for each in self._sockets:
            each.close()
        for pid in list(self._children):
            with contextlib.suppress(ProcessLookupError):  # it is just being reaped
                os.kill(pid, signum)

    def _ask_to_renew(self, _signum: int, _frame: object) -> None:
        self._is_asked_to_renew = True


def _pass_over(_signum: int, _frame: object) -> None:
    """A handler and not SIG_IGN, which the programs that an action starts would inherit."""


def _say(status: int) -> str:
    return (
        f"signal {os.WTERMSIG(status)}"
        if os.WIFSIGNALED(status)
        else f"exit {os.waitstatus_to_exitcode(status)}"
    )
