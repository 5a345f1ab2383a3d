"""The contract with RQ: one job function, JSON, and the few keys of RQ's that the Lua scripts write.

RQ reads `data` compressed or plain, so it is written plain; everything else is what `rq.job.Job` of
RQ 3.0 writes. `tests/worker/test_queue_contract.py` holds this page to the real RQ.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hookline.lanes import MIXED_LANE

FUNCTION = "hookline_worker.jobs.process"
GROUP_EVENTS = 64
GROUP_BYTES = 4 * 1024 * 1024

PREFIX = "rq:"
JOB_PREFIX = "rq:job:"
QUEUES_KEY = "rq:queues"
WORKERS_KEY = "rq:workers"


@dataclass(frozen=True, slots=True)
class QueueKeys:
    """RQ's Redis keys of one queue."""

    name: str

    @property
    def queue(self) -> str:
        """List: ids of the jobs waiting."""
        return f"rq:queue:{self.name}"

    def lane(self, name: str) -> str:
        """List: ids of the jobs of one lane, waiting for its turn."""
        return f"rq:queue:{self.name}/{name}"

    @property
    def intermediate(self) -> str:
        """List: ids of jobs popped, on their way to a worker."""
        return f"rq:queue:{self.name}:intermediate"

    @property
    def started(self) -> str:
        """Sorted set: `job:execution` by when it counts as dead, in seconds."""
        return f"rq:wip:{self.name}"

    @property
    def scheduled(self) -> str:
        """Sorted set: ids of jobs by when they are due, in seconds."""
        return f"rq:scheduled:{self.name}"

    @property
    def workers(self) -> str:
        """Set: keys of the workers of this queue."""
        return f"rq:workers:{self.name}"


@dataclass(frozen=True, slots=True)
class Job:
    """One call of `process(event_ids)`, as the Lua scripts write it into RQ's hash."""

    id: str
    data: bytes
    description: str
    lane: str
    due_seconds: int = 0
    """When to run it, as a Unix time; 0 is now."""


def job(event_ids: Sequence[str], *, lane: str = MIXED_LANE, due_seconds: int = 0) -> Job:
    """A job for these events."""
    data = json.dumps((FUNCTION, None, (list(event_ids),), {}), separators=(",", ":")).encode()
    what = event_ids[0] if len(event_ids) == 1 else f"{len(event_ids)} events"
    return Job(secrets.token_hex(12), data, f"process({what})", lane, due_seconds)


def iso(moment: datetime | None = None) -> str:
    """A time as RQ writes it."""
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
