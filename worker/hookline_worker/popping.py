"""Popping the next job, in a way that loses none, and throwing away what is none of ours."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import structlog
from redis import ResponseError
from rq import Queue
from rq.exceptions import DequeueTimeout, NoSuchJobError
from rq.job import Job

from hookline.connections import is_unavailable
from hookline.keys import JOBS_KEY, LANES_KEY, PAUSED_KEY
from hookline.lanes import MIXED_LANE
from hookline.queue import FUNCTION, JOB_PREFIX, QUEUES_KEY, QueueKeys
from hookline.store import Popped, Store

log = structlog.get_logger(__name__)


def next_job(
    queue: Queue, store: Store, timeout_seconds: int, left_alone: Collection[str] = ()
) -> tuple[Job, str] | None:
    """The next job and its lane; a job is moved to the intermediate list in one step, a pop would lose it.

    None when there is none, for so long where no lane is to be left alone, and when what was there is no
    job to be run.
    """
    popped = store.next(left_alone)
    if popped is None and not left_alone:
        popped = _wait_for_one(queue, timeout_seconds)
    if popped is None:
        return None
    try:
        return _read(queue, popped), popped.lane
    except NoSuchJobError:  # it was done while it was in the queue a second time
        _discard(queue, popped.job_id)
    except Exception as error:  # whatever anybody may have put there
        if is_unavailable(error):
            raise
        name = popped.job_id.decode(errors="backslashreplace")
        log.error("a job that is none of ours is thrown away", job=name, error=str(error))
        _discard(queue, popped.job_id)
    return None


def event_ids(job: Job) -> list[str]:
    """The events that a job names."""
    (ids,) = job.args
    return [str(event_id) for event_id in ids]


def _wait_for_one(queue: Queue, timeout_seconds: int) -> Popped | None:
    """What comes into the queue, which was empty, as were the lanes."""
    try:
        moved = Queue.lmove(queue.connection, queue.key, timeout_seconds)
    except DequeueTimeout:
        return None
    with queue.connection.pipeline(transaction=False) as pipeline:
        pipeline.hmget(_key(moved[1]), "data", "lane", "first")
        pipeline.hkeys(PAUSED_KEY)
        fields, paused = pipeline.execute(raise_on_error=False)
    if isinstance(fields, ResponseError) and not is_unavailable(fields):
        fields = (None, None, None)  # it is no hash
    for answer in (fields, paused):
        if isinstance(answer, Exception):
            raise answer
    data, lane = fields[0], fields[1] or MIXED_LANE.encode()
    if lane in paused:
        _put_into_lane(queue, moved[1], lane.decode(), goes_first=fields[2] is not None)
        return None
    return Popped(moved[1], data, lane.decode(errors="replace"))


def _put_into_lane(queue: Queue, job_id: Any, lane: str, *, goes_first: bool) -> None:
    """As `next.lua` does. From the queue, the next idle worker would pop it, and so on without end."""
    lane_key = QueueKeys(queue.name).lane(lane)
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        (pipeline.lpush if goes_first else pipeline.rpush)(lane_key, job_id)
        pipeline.zadd(LANES_KEY, {lane: 0}, nx=True)
        pipeline.sadd(QUEUES_KEY, lane_key)
        pipeline.execute()


def _key(job_id: bytes) -> Any:
    """Any, since redis-py declares keys to be text here and there."""
    return JOB_PREFIX.encode() + job_id


def _read(queue: Queue, popped: Popped) -> Job:
    if popped.data is None:
        raise NoSuchJobError
    job = Job(popped.job_id.decode(), connection=queue.connection, serializer=queue.serializer)
    job.restore({b"data": popped.data, b"origin": queue.name.encode()})
    if job.func_name != FUNCTION or not event_ids(job):
        raise ValueError(f"it calls {job.func_name}{tuple(job.args)!r}")
    return job


def _discard(queue: Queue, job_id: Any) -> None:
    with queue.connection.pipeline() as pipeline:
        pipeline.lrem(queue.intermediate_queue_key, 1, job_id)
        pipeline.delete(_key(job_id))
        pipeline.srem(JOBS_KEY, job_id)
        pipeline.execute()
