"""While Redis takes no commits, senders are told to try again; when it does, nothing is to be restarted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from redis import Redis, ResponseError
from redis import TimeoutError as RedisTimeoutError

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Receiver
    from hookline.senders import Answer

DEADLINE_SECONDS = 1.0
SLACK_SECONDS = 2.0
AWAY = "redis does not take commits; senders are told to try again"
BACK = "redis takes commits again"


def assert_told_to_try_again(answer: Answer) -> None:
    """503 with Retry-After, within the commit's deadline."""
    assert (answer.status, answer.body) == (503, {"error": "not stored; try again"})
    assert int(answer.headers["retry-after"]) > 0
    assert answer.seconds < DEADLINE_SECONDS + SLACK_SECONDS


@pytest.fixture
def receiver(own_redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]) -> Iterator[Receiver]:
    """A receiver of the test's own; its mistakes show."""
    started = start_receiver(own_redis.url, HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS=str(DEADLINE_SECONDS))
    yield started
    assert started.service.exit_status is None
    assert started.complaints() == []


def stop(own_redis: EmbeddedRedis) -> None:
    """In an orderly way."""
    own_redis.stop()


def kill(own_redis: EmbeddedRedis) -> None:
    """As the kernel does when memory is short."""
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGKILL)
    own_redis.stop()


def freeze(own_redis: EmbeddedRedis) -> None:
    """It takes connections and commands and answers none."""
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)


def bring_back(own_redis: EmbeddedRedis) -> None:
    """Whatever was done to it."""
    if own_redis.pid:
        os.kill(own_redis.pid, signal.SIGCONT)
    else:
        own_redis.start()


@pytest.mark.parametrize("take_away", [stop, kill, freeze], ids=["stopped", "killed", "frozen"])
async def test_redis_away_and_back(
    own_redis: EmbeddedRedis, receiver: Receiver, take_away: Callable[[EmbeddedRedis], None]
) -> None:
    """503 until it is back, then 202, and every event is there once."""
    first, second = receiver.delivery(number=1), receiver.delivery(number=2)
    assert (await receiver.post(first)).outcome == "202 queued"
    assert receiver.check("/readyz") == 200
    take_away(own_redis)
    for _ in range(2):
        assert_told_to_try_again(await receiver.post(second))
    assert receiver.check("/healthz") == 200
    assert receiver.check("/readyz") == 503
    bring_back(own_redis)
    answer = await receiver.post(second)
    while answer.status == 503:  # it may be on its way up still
        answer = await receiver.post(second)
    # A frozen Redis finds the earlier try in its socket's buffer.
    assert answer.outcome in (("202 queued", "202 duplicate") if take_away is freeze else ("202 queued",))
    assert (await receiver.post(first)).outcome == "202 duplicate"
    assert receiver.check("/readyz") == 200
    with connect(RedisSettings(url=own_redis.url)) as client:
        assert len(Store(client).event_ids()) == 2
    told = [line["event"] for line in receiver.log if line["event"] in (AWAY, BACK)]
    assert told == [AWAY, BACK]


async def test_a_late_answer_does_not_become_that_of_another_request(
    own_redis: EmbeddedRedis, receiver: Receiver
) -> None:
    """The connection on which an answer is overdue is not used again."""
    deliveries = [receiver.delivery(number=number) for number in range(10)]
    before = [(await receiver.post(each)).body or {} for each in deliveries]
    freeze(own_redis)
    assert_told_to_try_again(await receiver.post(receiver.delivery(number=99)))
    bring_back(own_redis)
    after = [(await receiver.post(each)).body or {} for each in deliveries]
    assert [each["id"] for each in after] == [each["id"] for each in before]


@contextmanager
def full(client: Redis, _: EmbeddedRedis) -> Iterator[None]:
    """No memory is left for writes."""
    client.config_set("maxmemory", "1")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def read_only(client: Redis, _: EmbeddedRedis) -> Iterator[None]:
    """It is a replica now, as after a failover."""
    client.replicaof("127.0.0.1", "1")
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def without_replicas(client: Redis, _: EmbeddedRedis) -> Iterator[None]:
    """It was told to take no writes that would be on one machine alone."""
    client.config_set("min-replicas-to-write", "1")
    yield
    client.config_set("min-replicas-to-write", "0")


def answers(client: Redis) -> bool:
    """Whether it does anything at all."""
    try:
        return bool(client.ping())
    except ResponseError:
        return False


@contextmanager
def busy(client: Redis, server: EmbeddedRedis) -> Iterator[None]:
    """A script of somebody else's runs on and on."""
    client.config_set("lua-time-limit", "1")
    settings = RedisSettings(url=server.url)
    with connect(settings, response_timeout_seconds=0.1) as other, pytest.raises(RedisTimeoutError):
        other.eval("while true do end", 0)
    yield
    client.script_kill()
    while not answers(client):  # the script ends at its next step
        time.sleep(0.01)


@pytest.mark.parametrize("broken", [full, read_only, without_replicas, busy], ids=lambda each: each.__name__)
async def test_redis_that_takes_no_writes(
    own_redis: EmbeddedRedis,
    receiver: Receiver,
    broken: Callable[[Redis, EmbeddedRedis], AbstractContextManager[None]],
) -> None:
    """It answers, but stores nothing: 503, and not ready."""
    delivery = receiver.delivery()
    with connect(RedisSettings(url=own_redis.url)) as client:
        with broken(client, own_redis):
            assert_told_to_try_again(await receiver.post(delivery))
            assert receiver.check("/healthz") == 200
            assert receiver.check("/readyz") == 503
        assert (await receiver.post(delivery)).outcome == "202 queued"
        assert receiver.check("/readyz") == 200


@pytest.mark.parametrize("given", ["", "wrong-password-3kd9"])
async def test_a_wrong_password_is_told_in_the_log_alone(
    own_redis: EmbeddedRedis, start_receiver: Callable[..., Receiver], given: str
) -> None:
    """Without the password, of course."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        client.config_set("requirepass", "right-password-8sf2")
    environment = {"HOOKLINE_REDIS__PASSWORD": "env:TEST_PASSWORD", "TEST_PASSWORD": given} if given else {}
    receiver = start_receiver(own_redis.url, **environment)
    assert_told_to_try_again(await receiver.post(receiver.delivery()))
    assert receiver.check("/readyz") == 503
    line = receiver.wait_for_log(lambda line: line["event"] == AWAY)
    assert ("invalid username-password pair" if given else "Authentication required") in line["error"]
    assert "password-" not in receiver.log_text().replace("username-password", "")


async def test_more_than_may_wait_is_refused_at_once(
    own_redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """So that a Redis that is away doesn't fill the receiver's memory."""
    receiver = start_receiver(
        own_redis.url,
        HOOKLINE_RECEIVER__MAX_WAITING_BYTES="1",
        HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS="30",
    )
    freeze(own_redis)
    async with AsyncExitStack() as stack:
        connections = [await stack.enter_async_context(receiver.connection()) for _ in range(3)]
        for number, connection in enumerate(connections):
            connection.send(receiver.raw(receiver.delivery(number=number)))
            await connection.writer.drain()
        receiver.wait_for_log(lambda line: "max_waiting_bytes" in line["event"])
        bring_back(own_redis)
        answers = [await connection.answer() for connection in connections]
    assert {answer.status for answer in answers} == {202, 503}
    assert {answer.headers.get("retry-after") for answer in answers} == {None, "10"}
