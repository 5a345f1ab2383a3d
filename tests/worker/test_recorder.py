"""The ledger is written within 10 ms of a run's end, whatever the event loop does and wherever Redis is."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import ResponseError

from hookline.acknowledged import Acknowledgement
from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.keys import EVENT_PREFIX, LEASE_PREFIX
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store
from hookline_worker.recorder import Record, Recorder


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, to be stopped and started."""
    folder = Path(tempfile.mkdtemp(prefix="hl-"))
    with EmbeddedRedis(folder) as server:
        yield server
    shutil.rmtree(folder)


def leased(store: Store, count: int, token: str = "me") -> list[str]:
    """So many events, leased to this owner."""
    ids = [f"e{n}" for n in range(count)]
    for event_id in ids:
        store.redis.hset(EVENT_PREFIX + event_id, mapping={"state": "running", "lease": token})
    return ids


def recorder(store: Store, token: str = "me") -> Recorder:
    """A recorder for the owner of this token."""
    return Recorder(store, token=token, execution="job:execution", now_ms=now_ms)


def wait_for(condition: Callable[[], object]) -> None:
    """Look until it holds."""
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_records_put_together_are_written_in_one_step(server: EmbeddedRedis) -> None:
    """One call of the script for all that came within 10 ms."""
    store = Store(connect(RedisSettings(url=server.url)))
    ids = leased(store, 50)
    store.record("me", [])  # so that the script is loaded
    store.redis.config_resetstat()

    with recorder(store) as open_recorder:
        for event_id in ids:
            open_recorder.put(Record(Change(event_id, {"run:x": "{}"}, "done")))

    calls = store.redis.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls <= 2
    assert {store.fields(event_id)["state"] for event_id in ids} == {b"done"}


def test_retries_of_one_second_share_a_job(server: EmbeddedRedis) -> None:
    """One scheduled job for each due second, not one for each event."""
    store = Store(connect(RedisSettings(url=server.url)))
    ids = leased(store, 30)
    with recorder(store) as open_recorder:
        open_recorder.write(
            [
                Record(Change(event_id, {}, "retrying"), (("misskey", 2_000_000_000 + n % 3),))
                for n, event_id in enumerate(ids)
            ]
        )
    assert store.redis.zcard("rq:scheduled:hookline") == 3


def test_nothing_is_lost_while_redis_is_away(server: EmbeddedRedis) -> None:
    """The records wait in the process, and are written when it is back."""
    store = Store(connect(RedisSettings(url=server.url)))
    ids = leased(store, 3)
    entered, left = threading.Event(), threading.Event()

    def work() -> None:
        with recorder(store) as open_recorder:
            for event_id in ids:
                open_recorder.put(Record(Change(event_id, {}, "done")))
            entered.set()
        left.set()

    server.stop()
    thread = threading.Thread(target=work)
    thread.start()
    entered.wait()
    assert not left.wait(0.2)
    server.start()
    thread.join()

    assert {store.fields(event_id)["state"] for event_id in ids} == {b"done"}


def test_a_lost_lease_is_not_written_over(server: EmbeddedRedis) -> None:
    """The event is another owner's by now."""
    store = Store(connect(RedisSettings(url=server.url)))
    mine, others = leased(store, 2)
    store.redis.hset(EVENT_PREFIX + others, "lease", "somebody else")

    with recorder(store) as open_recorder:
        open_recorder.put(Record(Change(mine, {}, "done")))
        open_recorder.put(Record(Change(others, {}, "done")))

    assert (store.fields(mine)["state"], store.fields(others)["state"]) == (b"done", b"running")


def test_the_lease_is_kept_alive(server: EmbeddedRedis) -> None:
    """Every few seconds, together with RQ's record of the execution, which is not made anew."""
    store = Store(connect(RedisSettings(url=server.url)))
    redis = store.redis
    redis.zadd("rq:wip:hookline", {"job:execution": 1})
    with recorder(store):
        wait_for(lambda: redis.exists(LEASE_PREFIX + "me"))
    assert 9_000 < redis.pttl(LEASE_PREFIX + "me") <= 10_000
    assert redis.zscore("rq:wip:hookline", "job:execution") > time.time() + 5
    assert redis.zcard("rq:wip:hookline") == 1


def test_a_mistake_in_what_is_written_fails_the_job_rather_than_being_swallowed(
    server: EmbeddedRedis,
) -> None:
    """RQ is told, and the events run again later."""
    store = Store(connect(RedisSettings(url=server.url)))
    store.redis.set(EVENT_PREFIX + "e0", "not a hash")
    with pytest.raises(Exception, match="WRONGTYPE"), recorder(store) as open_recorder:
        open_recorder.put(Record(Change("e0", {}, "done")))


def test_the_lease_is_kept_while_a_record_waits_for_a_replica(server: EmbeddedRedis) -> None:
    """The primary is there, and would give what is still being run to somebody else."""
    settings = RedisSettings(url=server.url, ack="replica", commit_timeout_seconds=0.1)
    store = Store(connect(settings), ack=Acknowledgement.of(settings))
    (event_id,) = leased(store, 1)
    over = threading.Event()

    def work() -> None:
        open_recorder = recorder(store)
        with contextlib.suppress(ResponseError), open_recorder:
            open_recorder.put(Record(Change(event_id, {"run:x": "{}"})))
            over.wait()

    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: store.redis.exists(LEASE_PREFIX + "me"))
    store.redis.pexpire(LEASE_PREFIX + "me", 600)
    wait_for(lambda: store.redis.pttl(LEASE_PREFIX + "me") > 5_000)
    store.redis.rename(EVENT_PREFIX + event_id, "elsewhere")
    store.redis.set(EVENT_PREFIX + event_id, "no hash")  # which ends the waiting
    over.set()
    thread.join()
