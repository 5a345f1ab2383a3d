"""Popping the next job, in a way that loses none, and throwing away what is none of ours."""

from __future__ import annotations

import structlog
from rq import Queue
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.job import Job

from hookline.connections import is_unavailable
from hookline.queue import FUNCTION, JOB_PREFIX

log = structlog.get_logger(__name__)


def next_job(queue: Queue, timeout_seconds: int) -> Job | None:
    """The next job, moved to the intermediate list in one step: a pop would lose it with the worker.

    None when there is none for so long, and when what was there is no job to be run.
    """
    try:
        moved = Queue.lmove(queue.connection, queue.key, timeout_seconds)
    except DequeueTimeout:
        return None
    job_id = moved[1].decode()
    try:
        return _fetch(queue, job_id)
    except NoSuchJobError:  # it was done while it was in the queue a second time
        _discard(queue, job_id)
    except Exception as error:  # whatever anybody may have put there
        if is_unavailable(error):
            raise
        log.error("a job that is none of ours is thrown away", job=job_id, error=str(error))
        _discard(queue, job_id)
    return None


def event_ids(job: Job) -> list[str]:
    """The events that a job names."""
    (ids,) = job.args
    return [str(event_id) for event_id in ids]


def _fetch(queue: Queue, job_id: str) -> Job:
    data = queue.connection.hget(JOB_PREFIX + job_id, "data")
    if data is None:
        raise NoSuchJobError
    job = Job(job_id, connection=queue.connection, serializer=queue.serializer)
    job.restore({b"data": data, b"origin": queue.name.encode()})
    if job.func_name != FUNCTION or not event_ids(job):
        raise ValueError(f"it calls {job.func_name}{tuple(job.args)!r}")
    return job


def _discard(queue: Queue, job_id: str) -> None:
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        pipeline.delete(JOB_PREFIX + job_id)
        pipeline.execute()
