"""Forked children, each with a line to its parent, and waiting for the first that has news."""

from __future__ import annotations

import contextlib
import os
import select
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from rq.executions import Execution
from rq.job import Job

CHECK_SECONDS = 0.010
"""Where the kernel has no pidfd, how often to see whether a child has ended without a word."""


@dataclass(slots=True)
class Child:
    """A forked child, and the group it has in hand."""

    pid: int
    line: Connection
    """Groups go out on it; True comes back for each that was done, False from a child that takes no more."""
    group: tuple[Job, Execution] | None = None
    lane: str = ""
    """Of that group."""
    began_at: float = 0.0
    """When it got that group, by the monotonic clock in seconds."""
    takes_more: bool = True
    exit_code: int | None = None
    """Negative for a signal; None while it runs."""
    missing: int = 0
    """For how many looks in a row the leases of its group have been gone."""
    _descriptor: int | None = field(init=False)

    def __post_init__(self) -> None:
        self._descriptor = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None

    @property
    def is_free(self) -> bool:
        """Whether it waits for a group."""
        return self.group is None and self.takes_more and self.exit_code is None

    def begin(self, job: Job, execution: Execution, lane: str) -> None:
        """Give it this group. That it has just died is seen later, as if it had died of the group."""
        self.group, self.lane, self.began_at, self.missing = (job, execution), lane, time.monotonic(), 0
        with contextlib.suppress(OSError):
            self.line.send((job.id, job.data, execution.id))

    def retire(self) -> None:
        """Let it end, once it has done what it has in hand."""
        self.takes_more = False
        self.line.close()

    def look(self) -> bool:
        """Whether it has news: a group done, or its end."""
        news = False
        if self.exit_code is None:  # before its last words are read: afterwards there may be more of them
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        try:
            while not self.line.closed and self.line.poll():
                self.takes_more = self.line.recv()
                self.group, news = None, True
        except (OSError, EOFError):  # its end is told by its exit code; a closed line has no more to say
            self.retire()
        return news or self.exit_code is not None

    def descriptors(self) -> list[int]:
        """What becomes readable when there is news."""
        line = [] if self.line.closed else [self.line.fileno()]
        return line if self._descriptor is None else [*line, self._descriptor]

    def close(self) -> None:
        """Give back its descriptors."""
        self.line.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def wait_for_news(children: list[Child], seconds: float) -> None:
    """Wait until a group is done or a child has ended, for so long at the most."""
    until = time.monotonic() + seconds
    while True:
        news = [child.look() for child in children]
        left = until - time.monotonic()
        if any(news) or left <= 0:
            return
        poll = select.poll()
        for child in children:
            for descriptor in child.descriptors():
                poll.register(descriptor, select.POLLIN)
        poll.poll(1000 * (left if hasattr(os, "pidfd_open") else min(left, CHECK_SECONDS)))
