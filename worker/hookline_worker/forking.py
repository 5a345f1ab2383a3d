"""The forking worker: groups run in forked children. What leaks, blocks or crashes takes down its child.

A child is forked before it is needed and takes one group after another, some dozen in all, so that a group
waits for no fork. The parent pops the jobs and hands them out, and looks after the children between jobs.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import structlog
from redis import RedisError
from rq.executions import Execution
from rq.job import Job

from hookline.about import about_events
from hookline.connections import is_unavailable
from hookline_worker.children import Child, wait_for_news
from hookline_worker.popping import event_ids
from hookline_worker.recorder import EXIT_BLOCKED, LEASE_SECONDS
from hookline_worker.rq_worker import AT_ONCE, RECONNECT_SECONDS, HooklineWorker

FROZEN_TICKS = 5
"""A child whose leases have been gone for so many looks in a row is killed: its interpreter stands still."""
EXIT_UNFINISHED = 18
"""Exit status of a child that could not do its group, through no fault of any event."""

log = structlog.get_logger(__name__)


class ForkingWorker(HooklineWorker):
    """Runs groups in forked children: what leaks, blocks or crashes takes down its child and nothing else."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._children: list[Child] = []

    def _begin(self, job: Job, lane: str) -> None:
        """Hand the job to the child that waits for one."""
        child = next(child for child in self._children if child.is_free)
        child.begin(job, self.prepare_execution(job), lane)

    def _make_room(self) -> None:
        """Fork the child that the next job is for, before there is one: then the job waits for no fork."""
        if not any(child.is_free for child in self._children):
            self._children.append(self._fork())

    def _fork(self) -> Child:
        sys.stdout.flush()
        ours, theirs = Pipe()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for sibling in self._children:
                sibling.close()  # it would never see its parent's end of the line close
            self._live_as_child(theirs)
        theirs.close()
        return Child(pid, ours)

    def _live_as_child(self, line: Connection) -> NoReturn:
        """Do what comes on the line, until it is closed or this child has done its number of groups."""
        status = EXIT_UNFINISHED
        try:
            os.setpgrp()  # Ctrl-C is for the parent
            random.seed()
            self.setup_work_horse_signals()
            self._is_horse = True
            with contextlib.suppress(RedisError):  # if Redis is away, the first group will notice
                self.connection.ping()  # connected before there is a group that would wait for it
            with self._dispatcher.traced():
                self._do_groups(line)
            status = 0
        except Exception as error:
            if not is_unavailable(error):
                log.exception("a job could not be ended")
        finally:
            os._exit(status)

    def _do_groups(self, line: Connection) -> None:
        left, own_threads = self._settings.groups_per_child, threading.active_count()
        for group in _groups_on(line):
            self._do_group(*group)
            sys.stdout.flush()  # what the actions printed
            left = left - 1 if threading.active_count() == own_threads else 0  # a run may leave one behind
            left = 0 if self._dispatcher.is_leaving() else left
            with contextlib.suppress(OSError):  # the parent has died, and there is nothing more to come
                line.send(left > 0)
            if left == 0:
                break

    def _do_group(self, job_id: str, data: bytes, execution_id: str) -> None:
        queue = self.queues[0]
        job = Job(job_id, connection=self.connection, serializer=queue.serializer)
        job.data, job.origin = data, queue.name
        execution = Execution(execution_id, job_id, self.connection, self.name)
        self.perform_job(job, queue, execution)

    def setup_work_horse_signals(self) -> None:
        """Leave stopping to the parent, which sends SIGTERM, too: neither cuts a run that has begun."""
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, lambda *_: self._dispatcher.leave())

    def _lanes_under_way(self) -> list[str]:
        return [child.lane for child in self._children if child.group is not None]

    def _wait_for_any(self, seconds: float) -> None:
        wait_for_news(self._children, seconds)

    def _look_after_groups(self) -> None:
        wait_for_news(self._children, 0)
        for child in list(self._children):
            if child.exit_code is not None:
                self._bury(child, child.exit_code)
                self._children.remove(child)
        free = [child for child in self._children if child.is_free]
        for child in free if self._stop_requested else free[AT_ONCE:]:
            child.retire()

    def _tick(self) -> bool:
        """The every-second work, and a look at the children that take long."""
        is_time = super()._tick()
        if is_time:
            for child in self._children:
                self._look_at(child)
        return is_time

    def _look_at(self, child: Child) -> None:
        """Kill a child that has not kept its leases alive for long: its interpreter stands still."""
        if child.group is None or time.monotonic() - child.began_at < 2 * LEASE_SECONDS:
            return
        job, execution = child.group
        child.missing = 0 if self._store.lives(execution.id) else child.missing + 1
        if child.missing >= FROZEN_TICKS and child.exit_code is None:
            log.error(
                "a child stands still and is killed",
                pid=child.pid,
                job=job.id,
                **about_events(event_ids(job)),
            )
            os.kill(child.pid, signal.SIGKILL)

    def _bury(self, child: Child, code: int) -> None:
        """Enqueue again, each alone, the events that a child did not get to finish."""
        if child.group is not None:
            job, execution = child.group
            death = "" if code == EXIT_UNFINISHED else _cause(code)
            released = self._store.release(execution.id, event_ids(job), death=death)
            self.forget(job, execution)
            log.error(
                "a child died; its events run again, each alone",
                cause=death or "redis was away",
                **about_events(released),
            )
        child.close()

    def _finish_groups(self) -> None:
        for child in self._children:
            if child.exit_code is None:
                os.kill(child.pid, signal.SIGTERM)  # which begins no further run then
        while self._children and not self._patience_is_over():
            self._try_looking_after_groups()
            wait_for_news(self._children, 0.1)
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
            child.close()
        self.hand_over([child.group for child in self._children if child.group is not None])
        self._children.clear()


def _groups_on(line: Connection) -> Iterator[tuple[str, bytes, str]]:
    """What the parent hands out, until it has no more for this child, or has gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield line.recv()


def _ignore(*_: object) -> None:
    """A handler rather than SIG_IGN, which programs that an action starts would inherit."""


def _cause(code: int) -> str:
    if code == EXIT_BLOCKED:
        return "an action blocked the event loop"
    return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit status {code}"
