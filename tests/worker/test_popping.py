"""A job that is popped is run, or waits where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rq import Queue

from hookline.queue import QueueKeys, job
from hookline.store import Store
from hookline_worker.popping import _wait_for_one, next_job

if TYPE_CHECKING:
    from redis import Redis

KEYS = QueueKeys("hookline")


def test_the_job_of_a_paused_source_goes_to_its_lane_and_not_to_the_next_idle_worker(redis: Redis) -> None:
    """Put back into the queue, it would go round for as long as several workers wait there."""
    store, queue = Store(redis), Queue("hookline", connection=redis, serializer="json")
    store.pause("misskey")
    first, later = (job([digit * 24], lane="misskey") for digit in "12")
    for each in (later, first):
        store.record("me", [], [each])
        redis.hdel(f"rq:job:{later.id}", "first")
        assert _wait_for_one(queue, 1) is None
    assert redis.llen(KEYS.queue) == redis.llen(KEYS.intermediate) == 0
    assert redis.lrange(KEYS.lane("misskey"), 0, -1) == [first.id.encode(), later.id.encode()]

    store.resume("misskey")

    popped = [next_job(queue, store, 1) for _ in range(2)]
    assert [(found[0].id, found[1]) for found in popped if found] == [
        (first.id, "misskey"),
        (later.id, "misskey"),
    ]
