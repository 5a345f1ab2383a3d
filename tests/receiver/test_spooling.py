"""With a spool a receiver answers 202 while Redis is away, and each event is there once when it is back."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings
from hookline.spool_folder import spool_files, spooled_in
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Receiver
    from hookline.senders import Answer

AWAY = "redis does not take commits; deliveries are spooled"
BACK = "redis takes commits again"
DRAINED = "the spool is drained"
DEADLINE_SECONDS = "0.5"
Start = Callable[..., "Receiver"]
WaitFor = Callable[[Callable[[], Any], str], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool is."""
    return tmp_path / "spool"


@pytest.fixture
def start(own_redis: EmbeddedRedis, start_receiver: Start, folder: Path) -> Iterator[Start]:
    """Starts receivers with this spool, which have nothing to complain of."""
    started: list[Receiver] = []

    def start(*arguments: str, **environment: str) -> Receiver:
        spool = {"HOOKLINE_SPOOL__FOLDER": str(folder)}
        timeout = {"HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": DEADLINE_SECONDS}
        started.append(start_receiver(own_redis.url, *arguments, **(spool | timeout | environment)))
        return started[-1]

    yield start
    assert [receiver.complaints() for receiver in started] == [[] for _ in started]


@pytest.fixture
def client(own_redis: EmbeddedRedis) -> Iterator[Redis]:
    """Into the Redis that is taken away."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        yield client


def kill(own_redis: EmbeddedRedis) -> None:
    """As the kernel does when memory is short."""
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGKILL)
    own_redis.stop()


def freeze(own_redis: EmbeddedRedis) -> None:
    """It takes connections and commands and answers none."""
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)


def fill(own_redis: EmbeddedRedis) -> None:
    """No memory is left for writes."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        client.config_set("maxmemory", "1")


def bring_back(own_redis: EmbeddedRedis) -> None:
    """Whatever was done to it."""
    if own_redis.pid:
        os.kill(own_redis.pid, signal.SIGCONT)
        with connect(RedisSettings(url=own_redis.url)) as client:
            client.config_set("maxmemory", "0")
    else:
        own_redis.start()


def ready(receiver: Receiver) -> dict[str, Any]:
    """What /readyz tells when it answers 200."""
    with urllib.request.urlopen(receiver.admin + "/readyz", timeout=30) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


async def post_many(receiver: Receiver, numbers: range) -> list[str]:
    """Post so many; the ids under which they were accepted."""
    answers = [await receiver.post(receiver.delivery(number=number)) for number in numbers]
    return [accepted(answer) for answer in answers]


def accepted(answer: Answer) -> str:
    """The id of a delivery that was answered 202."""
    assert answer.outcome == "202 queued"
    assert answer.body
    return str(answer.body["id"])


def stored(client: Redis) -> list[str]:
    """The ids in Redis, in the order in which they were received."""
    return Store(client).event_ids()


def wait_for_drain(wait_for: WaitFor, folder: Path) -> None:
    """Until nothing is left there."""
    wait_for(lambda: spooled_in(spool_files(folder)[-1]).events == 0, "the end of the drain")


@pytest.mark.parametrize("take_away", [kill, freeze, fill], ids=lambda each: each.__name__)
async def test_redis_away_and_back(
    own_redis: EmbeddedRedis,
    start: Start,
    client: Redis,
    folder: Path,
    wait_for: WaitFor,
    take_away: Callable[[EmbeddedRedis], None],
) -> None:
    """202 all the time, each event once, and two lines in the log."""
    receiver = start()
    ids = await post_many(receiver, range(2))
    assert ready(receiver) == {"status": "ready", "spooled_events": 0, "spooled_bytes": 0}
    take_away(own_redis)
    ids += await post_many(receiver, range(2, 12))
    told = ready(receiver)
    assert (told["status"], told["spooled_events"]) == ("spooling", 10)
    bring_back(own_redis)
    wait_for_drain(wait_for, folder)
    ids += await post_many(receiver, range(12, 14))
    assert stored(client) == ids
    assert (await receiver.post(receiver.delivery(number=5))).outcome == "202 duplicate"
    assert ready(receiver)["status"] == "ready"
    receiver.wait_for_log(lambda line: line["event"] == DRAINED)
    said = [
        line["event"] for line in receiver.log if line["level"] != "info" or line["event"] in (BACK, DRAINED)
    ]
    assert said == [AWAY, BACK, DRAINED]
    assert receiver.service.stop() == 0
    assert sum(entry.stat().st_size for entry in os.scandir(folder)) < 100_000


async def test_what_an_earlier_start_has_spooled_is_drained(
    own_redis: EmbeddedRedis, start: Start, client: Redis, folder: Path, wait_for: WaitFor
) -> None:
    """Also when that one was killed, and this one starts while Redis is away."""
    first = start()
    kill(own_redis)
    ids = await post_many(first, range(3))
    first.end()
    second = start()
    ids += await post_many(second, range(3, 5))
    bring_back(own_redis)
    wait_for_drain(wait_for, folder)
    assert stored(client) == ids


async def test_a_receiver_killed_between_commit_and_removal_repeats_nothing(
    own_redis: EmbeddedRedis, start: Start, client: Redis, folder: Path, wait_for: WaitFor
) -> None:
    """The test keeps the file from being written, so that the drain stands still just there."""
    dying = start()
    kill(own_redis)
    ids = await post_many(dying, range(5))
    with closing(sqlite3.connect(spool_files(folder)[-1], isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        bring_back(own_redis)
        wait_for(lambda: stored(client) == ids, "the commit")
        dying.end()
        other.execute("ROLLBACK")
    assert spooled_in(spool_files(folder)[-1]).events == 5
    jobs = client.llen("rq:queue:hookline")
    start()
    wait_for_drain(wait_for, folder)
    assert stored(client) == ids
    assert client.llen("rq:queue:hookline") == jobs
    assert client.hget("hookline:counters", "received:misskey") == b"5"


async def test_a_receiver_killed_in_the_middle_of_a_drain_loses_nothing(
    own_redis: EmbeddedRedis, start: Start, client: Redis, folder: Path, wait_for: WaitFor
) -> None:
    """At any point of it."""
    dying = start()
    kill(own_redis)
    ids = await post_many(dying, range(300))
    bring_back(own_redis)
    wait_for(lambda: len(stored(client)) >= 64, "the first groups")
    dying.end()
    start()
    wait_for_drain(wait_for, folder)
    assert stored(client) == ids
    assert client.hget("hookline:counters", "received:misskey") == b"300"


async def test_processes_and_receivers_share_a_spool(
    own_redis: EmbeddedRedis, start: Start, client: Redis, folder: Path, wait_for: WaitFor
) -> None:
    """All of them write, one of them drains, and each event is there once."""
    receivers = [start("--processes", "2"), start()]
    kill(own_redis)
    ids = []
    for number in range(40):
        receiver = receivers[number % 2]
        ids.append(accepted(await receiver.post(receiver.delivery(number=number))))
    bring_back(own_redis)
    wait_for_drain(wait_for, folder)
    assert stored(client) == ids
    assert [file.name for file in spool_files(folder)] == ["spool-1.db"]


async def post_until_refused(receiver: Receiver) -> list[str]:
    """Post until a 503; the ids of those before."""
    ids: list[str] = []
    for number in range(2000):
        answer = await receiver.post(receiver.delivery("note", number=number))
        if answer.status != 202:
            assert answer.status == 503
            assert answer.headers["retry-after"] == "10"
            return ids
        ids.append(accepted(answer))
    raise AssertionError("there was no end to it")


async def test_a_spool_that_is_full_refuses(
    own_redis: EmbeddedRedis, start: Start, client: Redis, folder: Path, wait_for: WaitFor
) -> None:
    """One source first, which leaves room for another; told once; and all that was accepted arrives."""
    receiver = start(HOOKLINE_SPOOL__MAX_BYTES=str(1024 * 1024))
    kill(own_redis)
    ids = await post_until_refused(receiver)
    assert len(ids) > 50
    assert (await receiver.post(receiver.delivery("note", number=9999))).status == 503
    ids.append(accepted(await receiver.post(receiver.delivery(number=1), "open")))
    assert ready(receiver)["status"] == "spooling"
    bring_back(own_redis)
    wait_for_drain(wait_for, folder)
    assert sorted(stored(client)) == sorted(ids)
    assert len([line for line in receiver.log if "used up its part" in line["event"]]) == 1


async def test_a_disk_that_is_full_refuses(
    own_redis: EmbeddedRedis, start: Start, client: Redis, small_disk: Path, wait_for: WaitFor
) -> None:
    """Never with an exception; not ready then; told once; and all that was accepted arrives."""
    folder = small_disk / "spool"
    receiver = start(HOOKLINE_SPOOL__FOLDER=str(folder))
    kill(own_redis)
    ids = await post_many(receiver, range(3))
    fill_disk(small_disk)
    for number in range(3, 6):
        assert (await receiver.post(receiver.delivery(number=number))).status == 503
    assert receiver.check("/readyz") == 503
    assert len([line for line in receiver.log if "cannot be written" in line["event"]]) == 1
    os.unlink(small_disk / "filler")
    ids += await post_many(receiver, range(3, 6))
    assert ready(receiver)["status"] == "spooling"
    bring_back(own_redis)
    wait_for_drain(wait_for, folder)
    assert stored(client) == ids
    assert receiver.service.stop() == 0


def fill_disk(disk: Path) -> None:
    """To the last byte, with a file of somebody else's."""
    space = os.statvfs(disk)
    with (disk / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, space.f_bavail * space.f_frsize)


async def test_a_folder_that_cannot_be_used_does_not_stop_the_receiver(
    own_redis: EmbeddedRedis, start: Start, folder: Path
) -> None:
    """It does without: 202 while Redis is there, 503 while it is away."""
    os.close(os.open(folder, os.O_CREAT))
    receiver = start()
    receiver.wait_for_log(lambda line: "cannot be drained" in line["event"])
    assert (await receiver.post(receiver.delivery(number=1))).status == 202
    kill(own_redis)
    assert (await receiver.post(receiver.delivery(number=2))).status == 503
    assert receiver.check("/readyz") == 503
    os.unlink(folder)
    assert (await receiver.post(receiver.delivery(number=2))).status == 202
