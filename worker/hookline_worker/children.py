"""Child processes, and waiting for the first of them to end."""

from __future__ import annotations

import os
import select
import time
from dataclasses import dataclass

from rq.executions import Execution
from rq.job import Job


@dataclass(slots=True)
class Child:
    """A forked child and what it was forked for."""

    pid: int
    job: Job
    execution: Execution
    started_at: float
    """By the monotonic clock, in seconds."""
    exit_code: int | None = None
    """Negative for a signal; None while it runs."""
    missing: int = 0
    """For how many looks in a row its leases have been gone."""


def wait_for_exit(children: list[Child], seconds: float) -> None:
    """Note the exit code of every child that has ended; wait for the first for so long, if none has."""
    until = time.monotonic() + seconds
    while True:
        for child in children:
            if child.exit_code is None:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                child.exit_code = os.waitstatus_to_exitcode(status) if pid else None
        left = until - time.monotonic()
        if left <= 0 or any(child.exit_code is not None for child in children):
            return
        _sleep_until_exit(children, left)


def _sleep_until_exit(children: list[Child], seconds: float) -> None:
    """Sleep until a child ends or the time is over; where the kernel has no pidfd, for 10 ms."""
    if not hasattr(os, "pidfd_open"):
        time.sleep(min(seconds, 0.010))
        return
    poll = select.poll()
    descriptors = [os.pidfd_open(child.pid) for child in children if child.exit_code is None]
    try:
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
