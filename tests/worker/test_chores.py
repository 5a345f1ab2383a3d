"""What one worker does for all goes on, whatever one part of it comes upon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from hookline.keys import DONE_PREFIX, EVENT_PREFIX, INDEX_KEY
from hookline.settings import Settings
from hookline.store import Store
from hookline_worker.chores import Chores
from hookline_worker.purger import Purger

if TYPE_CHECKING:
    from redis import Redis


class Counting:
    """A chore that counts how often it is gone on with, or says that Redis is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.times = 0
        self._is_away = is_away

    def work(self) -> None:
        """Count."""
        self.times += 1
        if self._is_away:
            raise RedisConnectionError("away")


def test_what_one_chore_stumbles_over_stops_neither_the_others_nor_the_worker(redis: Redis) -> None:
    """Another program's key in the place of an event that is to be purged; it is told once."""
    redis.sadd(INDEX_KEY, "a/esa.post_create")
    redis.zadd(DONE_PREFIX + "a", {"0" * 24: 1})
    redis.set(EVENT_PREFIX + "0" * 24, "no hash")
    after = Counting()
    chores = Chores(redis, "me", Purger(Store(redis), Settings()), after)
    with capture_logs() as lines:
        chores.work()
        chores.work()
    assert after.times == 2
    assert [(line["log_level"], line["chore"]) for line in lines] == [("error", "Purger")]


def test_that_redis_is_away_is_for_the_worker_to_know(redis: Redis) -> None:
    """It waits for it, and signs on again."""
    with pytest.raises(RedisConnectionError):
        Chores(redis, "me", Counting(is_away=True)).work()
