"""The forking worker: a child for each group. What leaks, blocks or crashes takes down its child alone.

The parent goes on with the next group once a group has had its slice; the child that still runs keeps its
own leases alive, and the parent looks after it between jobs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Any

import structlog
from rq import Queue
from rq.executions import Execution
from rq.job import Job

from hookline.connections import is_unavailable
from hookline_worker.children import Child, wait_for_exit
from hookline_worker.popping import event_ids
from hookline_worker.recorder import EXIT_BLOCKED, LEASE_SECONDS
from hookline_worker.rq_worker import RECONNECT_SECONDS, HooklineWorker

FROZEN_TICKS = 5
"""A child whose leases have been gone for so many looks in a row is killed: its interpreter stands still."""
EXIT_FINISHED = 17
"""Exit status of a child that did its job. Not 0, which an action's own `os._exit(0)` would give."""
EXIT_UNFINISHED = 18
"""Exit status of a child that could not, through no fault of any event."""

log = structlog.get_logger(__name__)


class ForkingWorker(HooklineWorker):
    """A forked child for each group: what leaks, blocks or crashes takes down its child and nothing else."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._children: list[Child] = []

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Fork a child for the job, and wait for it for a slice."""
        execution = self.prepare_execution(job)
        self.executions = {execution.id: execution}  # RQ's child takes the first, and others may live on
        self.fork_work_horse(job, queue)
        self._horse_pid, pid = 0, self._horse_pid
        child = Child(pid, job, execution, time.monotonic())
        self._children.append(child)
        self._wait_a_slice(
            lambda seconds: wait_for_exit([child], seconds), lambda: child.exit_code is not None
        )
        if child.exit_code is not None:
            self._look_after_groups()

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform the job in the child, and end the child with a status of its own."""
        status = EXIT_UNFINISHED
        try:
            super().perform_job(job, queue, execution)
            status = EXIT_FINISHED
        except Exception as error:
            if not is_unavailable(error):
                log.exception("a job could not be ended", job=job.id)
        finally:
            with contextlib.suppress(Exception):  # nobody may be reading it any more
                sys.stdout.flush()  # what the actions printed
            os._exit(status)

    def setup_work_horse_signals(self) -> None:
        """Leave stopping to the parent: a SIGTERM to the whole group must not cut a run."""
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, _ignore)

    def _has_room(self) -> bool:
        return len(self._children) < self._settings.max_children

    def _wait_for_any(self, seconds: float) -> None:
        wait_for_exit(self._children, seconds)

    def _look_after_groups(self) -> None:
        wait_for_exit(self._children, 0)
        for child in list(self._children):
            if child.exit_code is not None:
                self._bury(child, child.exit_code)
                self._children.remove(child)

    def _tick(self) -> bool:
        """The every-second work, and a look at the children that take long."""
        is_time = super()._tick()
        if is_time:
            for child in self._children:
                self._look_at(child)
        return is_time

    def _look_at(self, child: Child) -> None:
        """Kill a child that has not kept its leases alive for long: its interpreter stands still."""
        if time.monotonic() - child.started_at < 2 * LEASE_SECONDS or child.exit_code is not None:
            return
        child.missing = 0 if self._store.lives(child.execution.id) else child.missing + 1
        if child.missing >= FROZEN_TICKS:
            log.error("a child stands still and is killed", pid=child.pid, job=child.job.id)
            os.kill(child.pid, signal.SIGKILL)

    def _bury(self, child: Child, code: int) -> None:
        """Enqueue again, each alone, the events that a child did not get to finish."""
        if code == EXIT_FINISHED:
            return
        death = "" if code == EXIT_UNFINISHED else _cause(code)
        released = self._store.release(child.execution.id, event_ids(child.job), death=death)
        self.forget(child.job, child.execution)
        log.error(
            "a child died; its events run again, each alone",
            cause=death or "redis was away",
            events=len(released),
        )

    def _finish_groups(self) -> None:
        while self._children and not self._patience_is_over():
            wait_for_exit(self._children, 0.1)
            self._try_looking_after_groups()
        self._hand_over()

    def _try_looking_after_groups(self) -> None:
        try:
            self._look_after_groups()
        except Exception as error:
            if not is_unavailable(error):
                raise
            time.sleep(RECONNECT_SECONDS)

    def _hand_over(self) -> None:
        """Stop the children that outlasted our patience; their events run again, and nobody is blamed."""
        for child in self._children:
            if child.exit_code is None:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
        self.hand_over([(child.job, child.execution) for child in self._children])
        self._children.clear()


def _ignore(*_: object) -> None:
    """A handler rather than SIG_IGN, which programs that an action starts would inherit."""


def _cause(code: int) -> str:
    if code == EXIT_BLOCKED:
        return "an action blocked the event loop"
    return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit status {code}"
