"""The worker without forks: a thread for each group.

What crashes takes the worker with it, and its groups run again; isolation is what the fork is for.
"""

from __future__ import annotations

import contextvars
import threading
from typing import Any, ClassVar

import structlog
from rq.executions import Execution
from rq.job import Job

from hookline.about import about_events
from hookline.connections import is_unavailable
from hookline_worker.popping import event_ids
from hookline_worker.rq_worker import HooklineWorker

log = structlog.get_logger(__name__)


class ThreadWorker(HooklineWorker):
    """A thread for each group: what crashes takes the worker with it, and its groups run again."""

    head_start_seconds: ClassVar[float] = 0.020  # threads of one interpreter take turns

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._groups: dict[str, tuple[Job, Execution]] = {}
        self._lanes: dict[str, str] = {}
        self._one_has_ended = threading.Event()

    def work(self, *arguments: Any, **options: Any) -> bool:
        """Work until SIGTERM or SIGINT, and send the last spans."""
        with self._dispatcher.traced():
            return super().work(*arguments, **options)

    def _begin(self, job: Job, lane: str) -> None:
        """Start a thread for the job."""
        group = (job, self.prepare_execution(job))
        self._groups[group[1].id], self._lanes[group[1].id] = group, lane
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._perform, *group), name="group", daemon=True).start()

    def _perform(self, job: Job, execution: Execution) -> None:
        try:
            self.perform_job(job, self.queues[0], execution)
        except Exception as error:
            whose = {"job": job.id, **about_events(event_ids(job))}
            if not is_unavailable(error):
                log.exception("a job failed, which should not happen", **whose)
            else:
                log.warning("redis is away; another worker will find this job", error=str(error), **whose)
        finally:
            del self._groups[execution.id], self._lanes[execution.id]
            self._one_has_ended.set()

    def _make_room(self) -> None:
        """A thread is made with its group."""

    def _lanes_under_way(self) -> list[str]:
        return list(self._lanes.values())

    def _wait_for_any(self, seconds: float) -> None:
        self._one_has_ended.wait(seconds)
        self._one_has_ended.clear()

    def _look_after_groups(self) -> None:
        """Each thread does that for its own."""

    def _finish_groups(self) -> None:
        while self._groups and not self._patience_is_over():
            self._wait_for_any(0.1)
        self.hand_over(list(self._groups.values()))
