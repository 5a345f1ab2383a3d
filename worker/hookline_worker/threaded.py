"""The worker without forks: a thread for each group, for speed.

What crashes takes the worker with it, and its groups run again; isolation is what the fork is for.
"""

from __future__ import annotations

import contextvars
import threading
from dataclasses import dataclass
from typing import Any

import structlog
from rq import Queue
from rq.executions import Execution
from rq.job import Job

from hookline.connections import is_unavailable
from hookline_worker.rq_worker import HooklineWorker

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Group:
    thread: threading.Thread
    job: Job
    execution: Execution


class ThreadWorker(HooklineWorker):
    """A thread for each group, for speed: what crashes takes the worker with it, and its groups run again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._groups: list[_Group] = []

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Start a thread for the job, and wait for it for a slice."""
        execution = self.prepare_execution(job)
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run, args=(self._perform, job, queue, execution), name="group", daemon=True
        )
        thread.start()
        self._groups.append(_Group(thread, job, execution))
        self._wait_a_slice(thread.join, lambda: not thread.is_alive())

    def _perform(self, job: Job, queue: Queue, execution: Execution) -> None:
        try:
            self.perform_job(job, queue, execution)
        except Exception as error:
            if not is_unavailable(error):
                log.exception("a job failed, which should not happen", job=job.id)
            else:
                log.warning("redis is away; another worker will find this job", job=job.id, error=str(error))

    def _has_room(self) -> bool:
        return len(self._groups) < self._settings.max_children

    def _wait_for_any(self, seconds: float) -> None:
        self._groups[0].thread.join(seconds)

    def _look_after_groups(self) -> None:
        self._groups = [group for group in self._groups if group.thread.is_alive()]

    def _finish_groups(self) -> None:
        while self._groups and not self._patience_is_over():
            self._groups[0].thread.join(0.1)
            self._look_after_groups()
        self.hand_over([(group.job, group.execution) for group in self._groups])
