"""What a 202 waits for: replicas that have it, or the disk, and what happens when they don't."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis

from chaos.sentinels import SentinelSet
from hookline.acknowledged import (
    Acknowledgement,
    acknowledged_async_script,
    acknowledged_script,
    check_acknowledgement,
)
from hookline.cli.findings import Grade
from hookline.cli.redis_findings import examine_redis
from hookline.connections import connect, connect_async, is_unavailable
from hookline.embedded import EmbeddedRedis
from hookline.errors import NotAcknowledgedError, SettingsError
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.operations import now_ms
from hookline.queue import job
from hookline.redis_server import find_server
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

ONE_REPLICA = Acknowledgement("replica", 1, 0.2)
WAITAOF_SINCE = (7, 2)
WRITES_ONCE = "if redis.call('SETNX', KEYS[1], ARGV[1]) == 1 then return 'first' end return 'again'"


@pytest.fixture(scope="module")
def pair() -> Iterator[SentinelSet]:
    """A primary and its replica."""
    with SentinelSet(replicas=1, sentinels=0) as running:
        yield running


@pytest.fixture
def url(pair: SentinelSet) -> Iterator[str]:
    """The primary, emptied; the replica goes on after the test."""
    with pair.servers[0].client() as client:
        client.flushall()
        client.set("in step", 1)
        assert client.wait(1, 30_000) == 1
    yield pair.servers[0].url
    pair.servers[1].thaw()
    pair.wait_until_whole()


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncRedis]:
    """A client of the primary."""
    async with connect_async(RedisSettings(url=url)) as connected:
        yield connected


def event(key: str) -> RawEvent:
    """A delivery with this dedupe key."""
    return RawEvent(
        new_event_id(now_ms()), "misskey", "misskey", now_ms(), key, 60_000, b"[]", b'{"type":"test"}'
    )


async def test_a_replica_that_answers_has_it(client: AsyncRedis, url: str) -> None:
    """The script's answer comes as ever, also from a Redis that does not know the script yet."""
    script = acknowledged_async_script(client, WRITES_ONCE, ONE_REPLICA)
    assert await script(keys=["key"], args=["x"]) == b"first"
    await client.script_flush()
    with connect(RedisSettings(url=url)) as sync_client:
        sync_script = acknowledged_script(sync_client, WRITES_ONCE, ONE_REPLICA)
        assert sync_script(keys=["key"], args=["x"]) == b"again"


async def test_it_is_one_round_trip(client: AsyncRedis) -> None:
    """No SCRIPT EXISTS before it, as redis-py's own pipeline asks."""
    script = acknowledged_async_script(client, WRITES_ONCE, ONE_REPLICA)
    await script(keys=["key"], args=["x"])
    await client.config_resetstat()
    await script(keys=["key"], args=["x"])
    calls = {name: each["calls"] for name, each in (await client.info("commandstats")).items()}
    del calls["cmdstat_config|resetstat" if "cmdstat_config|resetstat" in calls else "cmdstat_config"]
    assert {name for name in calls if not name.startswith("cmdstat_repl")} <= {
        "cmdstat_evalsha", "cmdstat_setnx", "cmdstat_set", "cmdstat_wait", "cmdstat_info", "cmdstat_ping"
    }  # fmt: skip
    assert [calls[f"cmdstat_{name}"] for name in ("evalsha", "wait")] == [1, 1]


async def test_memory_asks_for_nothing_more(client: AsyncRedis) -> None:
    """It is redis-py's own script."""
    plain = client.register_script(WRITES_ONCE)
    assert type(acknowledged_async_script(client, WRITES_ONCE, Acknowledgement())) is type(plain)


async def test_a_replica_that_is_behind_makes_redis_unavailable(
    pair: SentinelSet, client: AsyncRedis, url: str
) -> None:
    """Also when the same is sent again on a new connection, which has nothing of its own to wait for."""
    before = await client.client_id()
    pair.servers[1].freeze()
    script = acknowledged_async_script(client, WRITES_ONCE, ONE_REPLICA)
    with pytest.raises(NotAcknowledgedError, match=r"0 of 1 replicas.*redis\.ack_replicas") as caught:
        await script(keys=["key"], args=["x"])
    assert is_unavailable(caught.value)
    assert await client.client_id() != before, "Sentinel may know of another primary"
    with connect(RedisSettings(url=url)) as new:
        again = acknowledged_script(new, WRITES_ONCE, ONE_REPLICA)
        with pytest.raises(NotAcknowledgedError):
            again(keys=["key"], args=["x"])
        pair.servers[1].thaw()
        pair.wait_until_whole()
        patient = acknowledged_script(new, WRITES_ONCE, Acknowledgement("replica", 1, 30))
        assert patient(keys=["key"], args=["x"]) == b"again"
    with pair.servers[1].client() as replica:
        assert replica.get("key") == "x"


async def test_an_event_that_replicas_lacked_is_stored_once(pair: SentinelSet, client: AsyncRedis) -> None:
    """Sent again by us it keeps its id, and sent again by its sender it is a duplicate of that."""
    first, repeat = event("same"), event("same")
    pair.servers[1].freeze()
    with pytest.raises(NotAcknowledgedError):
        await CommitScript(client, "hookline", ONE_REPLICA)([first])
    pair.servers[1].thaw()
    pair.wait_until_whole()
    commit = CommitScript(client, "hookline", Acknowledgement("replica", 1, 30))
    assert await commit([first]) == (1, [first.id])
    assert await commit([repeat]) == (1, [first.id])


async def test_a_record_waits_for_the_replica_too(pair: SentinelSet, client: AsyncRedis, url: str) -> None:
    """What is recorded is never run again, so it has to outlive a failover."""
    delivered = event("recorded")
    await CommitScript(client, "hookline")([delivered])
    with connect(RedisSettings(url=url)) as sync_client:
        store = Store(sync_client, ack=ONE_REPLICA)
        store.take("token", 10_000, [delivered.id], execution="job:token")
        retrying = Change(delivered.id, {"run:a": "{}"})
        assert store.record("token", [retrying]) == []
        pair.servers[1].freeze()
        with pytest.raises(NotAcknowledgedError):
            store.record("token", [retrying], [job([delivered.id])])


async def test_an_error_of_the_script_comes_first(client: AsyncRedis) -> None:
    """Whoever waits for replicas has to know that there is nothing to wait for."""
    script = acknowledged_async_script(client, "return redis.call('HGET', KEYS[1], 'x')", ONE_REPLICA)
    await client.set("key", "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        await script(keys=["key"], args=[])


def server_with_waitaof() -> Path | None:
    """A server of 7.2 or later, where one is at hand."""
    for name in filter(None, (os.environ.get("HOOKLINE_TEST_REDIS_SERVER"), "redis-server", "valkey-server")):
        path = shutil.which(name)
        if path and find_server(Path(path)).version >= WAITAOF_SINCE:
            return Path(path)
    return None


@pytest.mark.skipif(find_server().version >= WAITAOF_SINCE, reason="this redis-server can wait for its disk")
async def test_a_redis_that_cannot_wait_for_its_disk_says_the_way_out(client: AsyncRedis, url: str) -> None:
    """At the start where Redis can be asked, else with every commit, and in `hookline check`."""
    script = acknowledged_async_script(client, WRITES_ONCE, Acknowledgement("disk"))
    with pytest.raises(NotAcknowledgedError, match=r"needs Redis 7\.2 or later.*unknown command"):
        await script(keys=["key"], args=["x"])
    settings = RedisSettings(url=url, ack="disk")
    with pytest.raises(SettingsError, match=r'redis\.ack = "disk" needs Redis 7\.2 or later.*set "memory"'):
        check_acknowledgement(settings)
    finding = next(each for each in examine_redis(settings) if each.subject == "redis.ack")
    assert finding.grade is Grade.WRONG


def test_a_redis_that_is_away_refuses_no_setting() -> None:
    """It can't be asked, and the process must start all the same."""
    check_acknowledgement(RedisSettings(url="redis://127.0.0.1:1/0", ack="disk"))


@pytest.mark.skipif(server_with_waitaof() is None, reason="no redis-server of 7.2 or later")
def test_the_disk_of_a_newer_redis_is_waited_for(tmp_path: Path) -> None:
    """And one without an append-only file is refused."""
    with EmbeddedRedis(tmp_path, server=server_with_waitaof()) as embedded:
        settings = RedisSettings(url=embedded.url, ack="disk")
        check_acknowledgement(settings)
        with connect(settings) as client:
            script = acknowledged_script(client, WRITES_ONCE, Acknowledgement.of(settings))
            assert script(keys=["key"], args=["x"]) == b"first"
            client.config_set("appendonly", "no")
            with pytest.raises(NotAcknowledgedError, match="appendonly is disabled"):
                script(keys=["key"], args=["x"])
        with pytest.raises(SettingsError, match="appendonly is disabled"):
            check_acknowledgement(settings)
