"""The RQ worker that runs Hookline's one job; how a group is run is for its two kinds to say.

RQ does the popping, the executions and the job's end. What RQ does behind locks that outlive a crash by
minutes (its scheduler, its maintenance) is one script here, `tick.lua`, which any worker may run.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections import Counter
from typing import Any, ClassVar

import structlog
from redis import Redis
from rq.job import Job
from rq.worker import WorkerStatus

from hookline.connections import is_unavailable
from hookline.settings import Settings
from hookline.shares import may_take
from hookline.store import Store
from hookline_worker.adopting import Adoption
from hookline_worker.bookkeeping import BookkeepingWorker
from hookline_worker.chores import Chores
from hookline_worker.dispatch import Dispatcher
from hookline_worker.popping import next_job
from hookline_worker.purger import Purger
from hookline_worker.reconciler import Reconciler
from hookline_worker.replayer import Replayer

POLL_SECONDS = 1
FULL_LANE_SECONDS = 0.2
"""How often to look for jobs of other lanes, where one has as much of the worker as it may have."""
AT_ONCE = 2
"""Groups that are run at the same time without further ado: while one waits for Redis, the other works."""
RECONNECT_SECONDS = 1.0
SAME_SIGNAL_SECONDS = 1.0
"""Ctrl-C reaches a worker twice, from the terminal and from its supervisor."""

log = structlog.get_logger(__name__)


class HooklineWorker(BookkeepingWorker):
    """What both kinds of worker share: the loop, the tick, and stopping."""

    head_start_seconds: ClassVar[float] = 0.005
    """For how long the first group is alone: one that is soon done needs none beside it, nor its fork."""

    def __init__(self, redis: Redis, store: Store, dispatcher: Dispatcher, settings: Settings) -> None:
        super().__init__(redis, store, dispatcher, settings)
        queue_name = settings.worker.queue
        self._chores = Chores(
            redis,
            self.name,
            Reconciler(store, queue_name),
            Replayer(store, queue_name, settings.receiver.max_waiting_events),
            Purger(store, settings),
            Adoption(store),
        )
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
        self._chores.work()
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
        self._dispatcher.leave()
        self._finish_groups()
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except Exception as error:
            if not is_unavailable(error):
                raise
        log.info("worker has stopped", worker=self.name)
