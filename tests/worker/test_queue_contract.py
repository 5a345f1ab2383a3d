"""What the Lua scripts write into RQ's keys is what the real RQ reads."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus
from rq.registry import ScheduledJobRegistry
from rq.utils import utcformat

from hookline import queue
from hookline.connections import connect_async
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

NAME = "hookline"


def raw_event(number: int = 0, *, key: str | None = None, source: str = "misskey") -> RawEvent:
    """A delivery on its way in."""
    return RawEvent(
        id=new_event_id(1_700_000_000_000 + number),
        source=source,
        provider="misskey",
        received_at_ms=1_700_000_000_000 + number,
        dedupe_key=key or f"key-{number}",
        dedupe_window_ms=60_000,
        headers=b"[]",
        body=b"{}",
    )


async def commit(url: str, *events: RawEvent) -> list[str]:
    """Commit these as one group, as a receiver does."""
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, NAME)(events)
    finally:
        await client.aclose()
    return ids


async def test_rq_reads_a_committed_job(redis: Redis, redis_url: str) -> None:
    """Function, arguments, state, origin and the result's time to live are what RQ expects of a job."""
    events = [raw_event(n) for n in range(3)]
    await commit(redis_url, *events)

    (job,) = Queue(NAME, connection=redis, serializer="json").jobs

    assert job.func_name == "hookline_worker.jobs.process"
    assert job.args == [[event.id for event in events]]
    assert job.kwargs == {}
    assert (job.get_status(), job.origin, job.result_ttl, job.timeout) == (JobStatus.QUEUED, NAME, 0, -1)
    assert job.description == "process(3 events)"
    assert abs(datetime.now(UTC) - job.enqueued_at) < timedelta(minutes=1)
    assert [found.name for found in Queue.all(connection=redis)] == [NAME]


async def test_every_field_of_a_job_is_one_that_rq_itself_writes(redis: Redis, redis_url: str) -> None:
    """The same job enqueued by RQ has the same keys, and the values that RQ does not make up itself.

    Beside them there is the lane, which is ours and which RQ never reads.
    """
    await commit(redis_url, raw_event())
    (ours,) = Queue(NAME, connection=redis, serializer="json").jobs
    made_by_rq = Job.create(
        "hookline_worker.jobs.process",
        args=ours.args,
        connection=redis,
        serializer="json",
        origin=NAME,
        timeout=-1,
        result_ttl=0,
        status=JobStatus.QUEUED,
        description=ours.description,
    ).to_dict()

    written = {name.decode(): value for name, value in redis.hgetall(ours.key).items()}

    assert set(written) - {"enqueued_at", "lane"} <= set(made_by_rq)
    for name in ("origin", "status", "timeout", "result_ttl", "description"):
        assert written[name].decode() == str(getattr(made_by_rq[name], "value", made_by_rq[name]))


def test_times_are_written_as_rq_writes_them() -> None:
    """RQ parses times by a fixed format."""
    moment = datetime(2026, 5, 1, 12, 30, 15, 678901, tzinfo=UTC)
    assert queue.iso(moment) == utcformat(moment)


def test_rq_sees_a_retry_in_its_schedule(redis: Redis) -> None:
    """A retry is a scheduled job of RQ's, due when it should be."""
    due = int(datetime.now(UTC).timestamp()) + 60
    new = queue.job(["a"], due_seconds=due)
    Store(redis, NAME).record("token", [Change("a")], [new])

    registry = ScheduledJobRegistry(NAME, connection=redis, serializer="json")

    assert registry.get_job_ids() == [new.id]
    assert registry.get_scheduled_time(new.id) == datetime.fromtimestamp(due, UTC)
    assert Job.fetch(new.id, redis, "json").get_status() == "scheduled"


async def test_rq_info_shows_the_queue_and_its_jobs(redis: Redis, redis_url: str) -> None:
    """RQ's own command line reads it."""
    await commit(redis_url, raw_event(1))
    await commit(redis_url, raw_event(2))

    info = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rq.cli", "info", "--url", redis_url, "--raw", stdout=asyncio.subprocess.PIPE
    )
    shown, _ = await info.communicate()

    assert b"queue hookline 2" in shown
