"""The RQ worker that runs Hookline's one job; how a group is run is for its two kinds to say.

RQ does the popping, the executions and the job's end. What RQ does behind locks that outlive a crash by
minutes (its scheduler, its maintenance) is one script here, `tick.lua`, which any worker may run.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from abc import abstractmethod
from collections import Counter
from datetime import UTC, datetime
from typing import Any, ClassVar

import structlog
from redis import Redis
from rq import Queue, Worker
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job
from rq.timeouts import BaseDeathPenalty
from rq.worker import WorkerStatus

from hookline import queue
from hookline.connections import is_unavailable
from hookline.errors import NotAcknowledgedError
from hookline.keys import JOBS_KEY
from hookline.settings import Settings
from hookline.shares import may_take
from hookline.store import Store
from hookline_worker.dispatch import Dispatcher
from hookline_worker.jobs import Call, current_call
from hookline_worker.popping import event_ids, next_job
from hookline_worker.reconciler import Reconciler
from hookline_worker.recorder import LEASE_SECONDS

POLL_SECONDS = 1
FULL_LANE_SECONDS = 0.2
"""How often to look for jobs of other lanes, where one has as much of the worker as it may have."""
AT_ONCE = 2
"""Groups that are run at the same time without further ado: while one waits for Redis, the other works."""
HEARTBEAT_SECONDS = 5.0
RECONNECT_SECONDS = 1.0
FAILED_JOB_SECONDS = 5
"""After how long the events of a job that failed run again, unless Redis was away."""
SAME_SIGNAL_SECONDS = 1.0
"""Ctrl-C reaches a worker twice, from the terminal and from its supervisor."""
SIGN_OF_LIFE_SECONDS = 15
"""A worker that gives none for a minute longer than this is forgotten by `rq info`."""

log = structlog.get_logger(__name__)


class NoDeathPenalty(BaseDeathPenalty):
    """Runs have time-outs of their own; RQ's alarm for a whole job would cut the siblings."""

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """There is none."""


class HooklineWorker(Worker):
    """What both kinds of worker share: the loop, the heartbeat, the tick, and what follows a failed job."""

    death_penalty_class = NoDeathPenalty
    head_start_seconds: ClassVar[float] = 0.005
    """For how long the first group is alone: one that is soon done needs none beside it, nor its fork."""

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
        self._reconciler = Reconciler(store, settings.worker.queue, name)
        self._next_heartbeat = 0.0
        self._next_tick = 0.0
        self._last_began_at = 0.0
        self._stop_requested_at = 0.0
        self._in_a_hurry = False

    def work(self, *_: Any, **__: Any) -> bool:
        """Work until SIGTERM or SIGINT, through any absence of Redis."""
        self._install_signal_handlers()  # type: ignore[no-untyped-call]
        said = False
        while not self._stop_requested:
            try:
                self.register_birth()
                self.set_state(WorkerStatus.STARTED)
                log.info("worker has started", worker=self.name, queue=self.queues[0].name)
                said = False
                self._work_until_stopped()
            except Exception as error:
                if not is_unavailable(error):
                    raise
                if not said:
                    log.warning("redis is away; the worker waits for it", error=str(error))
                    said = True
                time.sleep(RECONNECT_SECONDS)
        self.teardown()
        return True

    def _work_until_stopped(self) -> None:
        while not self._stop_requested:
            self._tick()
            self._look_after_groups()
            pause = self._pause_seconds()
            if pause > 0:
                self._wait_for_any(min(pause, POLL_SECONDS))
                continue
            self._make_room()
            self._begin_next()

    def _begin_next(self) -> None:
        """Begin the next group; wait for it if there is none, but not for long while some are under way."""
        full = self._full_lanes()
        found = next_job(self.queues[0], self._store, POLL_SECONDS, full)
        if found is not None:
            self._begin(*found)
            self._last_began_at = time.monotonic()
        elif full:
            self._wait_for_any(FULL_LANE_SECONDS)

    def _full_lanes(self) -> set[str]:
        """The lanes that have their share of what this worker can do at the same time."""
        lanes = Counter(self._lanes_under_way())
        used, most = lanes.total(), self._settings.max_children
        return {lane for lane, own in lanes.items() if not may_take(own, used, most)}

    def _pause_seconds(self) -> float:
        """For how long the groups under way still have precedence over the next.

        The more there are, the longer: few quick ones gain nothing from a crowd, and a slow one should not
        hold up the others. It is never more than a slice, until there are as many as there may be.
        """
        under_way, most = self._under_way(), self._settings.max_children
        if under_way >= most:
            return POLL_SECONDS
        if under_way == 0:
            return 0
        share = self._settings.slice_seconds * under_way / most
        pause = self.head_start_seconds if under_way < AT_ONCE else share
        return self._last_began_at + pause - time.monotonic()

    def _tick(self) -> bool:
        """Once a second, the work that some worker must do; whether the second was over."""
        if time.monotonic() < self._next_tick:
            return False
        self._next_tick = time.monotonic() + 1.0
        self.check_for_suspension(burst=False)
        self.heartbeat()
        if self._under_way() == 0 and self._state != WorkerStatus.IDLE:
            self.set_state(WorkerStatus.IDLE)
        done = self._store.tick()
        if done is not None and done[1]:
            log.warning("jobs of workers that died are enqueued again", jobs=done[1])
        self._reconciler.work()
        return True

    def _under_way(self) -> int:
        return len(self._lanes_under_way())

    @abstractmethod
    def _begin(self, job: Job, lane: str) -> None:
        """Begin to run a job, and come back at once."""

    @abstractmethod
    def _lanes_under_way(self) -> list[str]:
        """The lane of each group that is being run."""

    @abstractmethod
    def _make_room(self) -> None:
        """See to it that the next group can begin as soon as it comes."""

    @abstractmethod
    def _wait_for_any(self, seconds: float) -> None:
        """Wait until a group has ended, for so long at the most."""

    @abstractmethod
    def _look_after_groups(self) -> None:
        """See to the groups that have ended."""

    @abstractmethod
    def _finish_groups(self) -> None:
        """Wait for the groups under way, for as long as `_patience_is_over` says no."""

    def request_stop(self, signum: int, frame: object) -> None:
        """Take no further job; asked again, hand over what is under way at once.

        It never raises: a job just popped would be left between two lists (rq#2236).
        """
        now = time.monotonic()
        if not self._stop_requested:
            self._stop_requested, self._stop_requested_at = True, now
        elif now - self._stop_requested_at > SAME_SIGNAL_SECONDS:
            self._in_a_hurry = True

    def _patience_is_over(self) -> bool:
        seconds = time.monotonic() - self._stop_requested_at
        return self._in_a_hurry or seconds >= self._settings.shutdown_seconds

    def teardown(self) -> None:
        """Wait for what is under way, hand over what outlasts our patience, and sign off."""
        log.info("worker is stopping", worker=self.name)
        self._finish_groups()
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except Exception as error:
            if not is_unavailable(error):
                raise
        log.info("worker has stopped", worker=self.name)

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
        if isinstance(exc_info[1], Exception) and is_unavailable(exc_info[1]):
            log.warning("redis went away during a job", job=job.id, error=str(exc_info[1]))
        else:
            log.error("a job failed, which should not happen", job=job.id, exc_info=exc_info)

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
            log.warning("handing over what is still under way", groups=len(unfinished))
        for job, execution in unfinished:
            try:
                self._store.release(execution.id, event_ids(job))
                self.forget(job, execution)
            except Exception as error:
                if not is_unavailable(error):
                    raise
                log.warning("redis is away; another worker will find these events", error=str(error))

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
