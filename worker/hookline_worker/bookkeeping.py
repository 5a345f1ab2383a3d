"""What RQ is told of a worker and its jobs: in few round trips, and nothing that it need not know."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from redis import Redis
from rq import Queue, Worker
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job
from rq.timeouts import BaseDeathPenalty
from rq.worker import WorkerStatus

from hookline import queue
from hookline.about import about_events
from hookline.connections import is_unavailable
from hookline.errors import NotAcknowledgedError
from hookline.keys import JOBS_KEY
from hookline.settings import Settings
from hookline.store import Store
from hookline_worker.dispatch import Dispatcher
from hookline_worker.jobs import Call, current_call
from hookline_worker.popping import event_ids
from hookline_worker.recorder import LEASE_SECONDS

HEARTBEAT_SECONDS = 5.0
FAILED_JOB_SECONDS = 5
"""After how long the events of a job that failed run again, unless Redis was away."""
SIGN_OF_LIFE_SECONDS = 15
"""A worker that gives none for a minute longer than this is forgotten by `rq info`."""

log = structlog.get_logger(__name__)


class NoDeathPenalty(BaseDeathPenalty):
    """Runs have time-outs of their own; RQ's alarm for a whole job would cut the siblings."""

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """There is none."""


class BookkeepingWorker(Worker):
    """An RQ worker whose executions, heartbeats and ends of jobs are written as Hookline needs them."""

    death_penalty_class = NoDeathPenalty

    def __init__(self, redis: Redis, store: Store, dispatcher: Dispatcher, settings: Settings) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        queue = Queue(settings.worker.queue, connection=redis, serializer="json")
        super().__init__(
            [queue],
            name=name,
            connection=redis,
            serializer="json",
            default_result_ttl=0,
            worker_ttl=SIGN_OF_LIFE_SECONDS,
            prepare_for_work=False,  # which speaks to Redis, and Redis may be away just now
        )
        self.hostname, self.pid, self.ip_address = socket.gethostname(), os.getpid(), "unknown"
        self._store, self._dispatcher, self._settings = store, dispatcher, settings.worker
        self._next_heartbeat, self._born_at = 0.0, ""

    def _set_connection(self, connection: Redis) -> Redis:
        """The connection as it is: RQ would let it wait for an answer for longer than a lease holds."""
        return connection

    def register_birth(self) -> None:
        """Sign on; again, after Redis was away, under the same name."""
        with self.connection.pipeline() as pipeline:  # else RQ takes our own key for another worker's
            pipeline.hset(self.key, "death", queue.iso())
            pipeline.expire(self.key, SIGN_OF_LIFE_SECONDS)
            pipeline.execute()
        super().register_birth()  # type: ignore[no-untyped-call]
        self._born_at = self._born_at or queue.iso()
        self.connection.hset(self.key, "birth", self._born_at)
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that the worker lives, every few seconds rather than several times a job."""
        if pipeline is None and time.monotonic() < self._next_heartbeat:
            return
        self._next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        super().heartbeat(timeout, pipeline)

    def get_heartbeat_ttl(self, job: Job, working_time: float = 0.0) -> int:
        """After how many seconds without a heartbeat a job counts as its dead worker's."""
        return int(LEASE_SECONDS)

    def prepare_execution(self, job: Job) -> Execution:
        """Note all at once that the job is started: RQ does it in two steps, the second in the child."""
        with self.connection.pipeline() as pipeline:
            execution = Execution.create(job, int(LEASE_SECONDS), pipeline, worker_name=self.name)
            job.prepare_for_execution(self.name, pipeline)
            pipeline.lrem(self.queues[0].intermediate_queue_key, 1, job.id)
            if self._state != WorkerStatus.BUSY:
                self.set_state(WorkerStatus.BUSY, pipeline=pipeline)
            pipeline.execute()
        return execution

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        """It is done, by `prepare_execution`."""

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:
        """Say nothing to Redis about a job that is about to be forgotten."""
        job.ended_at = datetime.now(UTC)

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform the job, its leases owned by this execution."""
        current_call.set(Call(self._dispatcher, execution.id, execution.composite_key))
        return bool(super().perform_job(job, queue, execution))

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """Say what happened: never an action's error, which ends in the ledger."""
        whose = {"job": job.id, **about_events(event_ids(job))}
        if isinstance(exc_info[1], Exception) and is_unavailable(exc_info[1]):
            log.warning("redis went away during a job", error=str(exc_info[1]), **whose)
        else:
            log.error("a job failed, which should not happen", exc_info=exc_info, **whose)

    def handle_job_success(
        self, job: Job, queue: Queue, started_job_registry: Any, execution: Execution
    ) -> None:
        """Remove what RQ keeps of a job that is done."""
        self.forget(job, execution)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: Any = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """`process` itself failed: its events run again soon, each alone, and RQ keeps no failed job.

        Unless Redis was away, that counts as a death, so that an event which makes it fail is found.
        """
        if execution is None:
            return
        error = sys.exc_info()[1]
        blame = "" if error is None or is_unavailable(error) else f"{type(error).__name__}: {error}"
        # What Redis was away for need wait no longer; what it refuses to acknowledge would come back at once.
        in_seconds = FAILED_JOB_SECONDS if blame or isinstance(error, NotAcknowledgedError) else 0
        self._store.release(execution.id, event_ids(job), death=blame, in_seconds=in_seconds)
        self.forget(job, execution)

    def hand_over(self, unfinished: list[tuple[Job, Execution]]) -> None:
        """Have others run the events of these jobs at once, rather than when the leases have run out."""
        if unfinished:
            whose = [event_id for job, _ in unfinished for event_id in event_ids(job)]
            log.warning("handing over what is still under way", groups=len(unfinished), **about_events(whose))
        for job, execution in unfinished:
            try:
                self._store.release(execution.id, event_ids(job))
                self.forget(job, execution)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                log.warning(
                    "redis is away; another worker will find these events",
                    error=str(error),
                    **about_events(event_ids(job)),
                )

    def forget(self, job: Job, execution: Execution) -> None:
        """Remove what RQ keeps of this execution of a job, and the job.

        RQ's own way reads it first, and fails where some of it has expired.
        """
        with self.connection.pipeline() as pipeline:
            pipeline.delete(job.key, execution.key, ExecutionRegistry.key_template.format(job.id))
            pipeline.zrem(job.started_job_registry.key, execution.composite_key)
            pipeline.lrem(self.queues[0].intermediate_queue_key, 1, job.id)
            pipeline.srem(self.executions_key, execution.composite_key)
            pipeline.srem(JOBS_KEY, job.id)
            pipeline.execute()
