"""Real sentinels: finding the primary, sentinels that are away, and a primary that dies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from chaos.sentinels import SERVICE, SentinelSet
from hookline.cli.findings import Grade
from hookline.cli.redis_findings import examine_redis
from hookline.connections import connect, connect_async, is_unavailable
from hookline.settings import Redis as RedisSettings

DEADLINE_SECONDS = 3.0


@pytest.fixture(scope="module")
def running() -> Iterator[SentinelSet]:
    """A set that the last test alone changes for good."""
    with SentinelSet() as started:
        yield started


@pytest.fixture
def settings(running: SentinelSet) -> RedisSettings:
    """The sentinels of the set."""
    return RedisSettings(url=running.url, commit_timeout_seconds=DEADLINE_SECONDS)


async def test_both_clients_speak_to_the_primary(running: SentinelSet, settings: RedisSettings) -> None:
    """Under their names, as with a Redis alone."""
    with connect(settings, client_name="hookline-worker") as client:
        assert client.info()["tcp_port"] == running.primary().port
        assert client.client_getname() == "hookline-worker"
    async with connect_async(settings, client_name="hookline-receiver") as client:
        assert (await client.info())["tcp_port"] == running.primary().port
        assert await client.client_getname() == "hookline-receiver"


async def test_sentinels_that_stand_still_do_not_use_up_the_deadline(
    running: SentinelSet, settings: RedisSettings
) -> None:
    """The first two of three take connections and answer nothing; the third is asked in time."""
    for sentinel in running.sentinels[:2]:
        sentinel.freeze()
    try:
        async with connect_async(settings) as client, asyncio.timeout(DEADLINE_SECONDS):
            assert await client.set("key", 1)
    finally:
        for sentinel in running.sentinels[:2]:
            sentinel.thaw()


async def test_no_sentinel_is_forgotten(running: SentinelSet, settings: RedisSettings) -> None:
    """Two connections are made at once while the first sentinel is away; later it is the only one."""
    first, *others = running.sentinels
    async with connect_async(settings) as client:
        first.freeze()
        try:
            await asyncio.gather(client.set("key", 1), client.set("key", 2))
        finally:
            first.thaw()
        await client.connection_pool.disconnect()
        for sentinel in others:
            sentinel.freeze()
        try:
            assert await client.set("key", 3)
        finally:
            for sentinel in others:
                sentinel.thaw()


def test_a_forked_child_makes_connections_of_its_own(settings: RedisSettings) -> None:
    """To the sentinels and to the primary: nothing is shared with its parent."""
    with connect(settings) as client:
        ours = client.client_id()
        pid = os.fork()
        if pid == 0:
            status = 1
            with suppress(redis.RedisError):
                status = 0 if client.client_id() != ours else 2
            os._exit(status)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert client.client_id() == ours


async def test_a_late_answer_is_not_taken_for_that_of_another_command(running: SentinelSet) -> None:
    """The connection on which it is overdue is not used again."""
    settings = RedisSettings(url=running.url, commit_timeout_seconds=0.2)
    with connect(settings) as client:
        async with connect_async(settings) as async_client:
            assert client.ping()
            assert await async_client.ping()
            primary = running.primary()
            primary.freeze()
            try:
                with pytest.raises(redis.TimeoutError):
                    client.echo("early")
                with pytest.raises(redis.TimeoutError):
                    await async_client.echo("early")
            finally:
                primary.thaw()
            assert client.echo("late") == b"late"
            assert await async_client.echo("late") == b"late"


def test_the_sentinels_have_a_password_of_their_own(
    running: SentinelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`redis.password` is that of the servers."""
    monkeypatch.setenv("SENTINEL_PASSWORD", "sentinel-password-4Kd8")
    guarded = running.sentinels[0]
    url = f"redis+sentinel://127.0.0.1:{guarded.port}/{SERVICE}"
    with guarded.client() as administrator:
        administrator.acl_setuser("default", enabled=True, passwords=["+sentinel-password-4Kd8"])
        try:
            with connect(RedisSettings(url=url, sentinel_password="env:SENTINEL_PASSWORD")) as client:
                assert client.ping()
            with connect(RedisSettings(url=url)) as client, pytest.raises(redis.ConnectionError) as caught:
                client.ping()
            assert "Authentication required" in str(caught.value)
            findings = examine_redis(RedisSettings(url=url))
            assert (findings[0].grade, findings[0].mend) == (Grade.WRONG, "set redis.sentinel_password")
        finally:
            administrator.acl_setuser("default", enabled=True, nopass=True)


@pytest.mark.parametrize("service", [SERVICE, "another"])
async def test_without_a_sentinel_that_knows_redis_is_unavailable(running: SentinelSet, service: str) -> None:
    """Away, or watching something else: the error names each sentinel and what it said."""
    address = f"127.0.0.1:{running.sentinels[0].port}" if service == "another" else "127.0.0.1:1"
    settings = RedisSettings(url=f"redis+sentinel://{address}/{service}")
    with connect(settings) as client, pytest.raises(redis.ConnectionError, match=address) as caught:
        client.ping()
    assert is_unavailable(caught.value)
    async with connect_async(settings) as client:
        with pytest.raises(redis.ConnectionError, match=address) as caught:
            await client.ping()
    assert is_unavailable(caught.value)


def test_check_tells_of_every_sentinel(running: SentinelSet, settings: RedisSettings) -> None:
    """And of what a failover would lose."""
    findings = examine_redis(settings)
    sentinels = [finding for finding in findings if finding.subject == "redis sentinel"]
    assert [finding.grade for finding in sentinels] == [Grade.RIGHT] * 4
    assert sentinels[0].told.endswith(f"answers; the primary is 127.0.0.1:{running.primary().port}")
    doubts = {finding.subject: finding.mend for finding in findings if finding.grade is Grade.DOUBTFUL}
    assert doubts["redis.ack"] == 'set redis.ack = "replica"'
    assert doubts["redis min-replicas-to-write"].startswith("set min-replicas-to-write 1")


def test_check_tells_of_a_sentinel_that_is_away(running: SentinelSet) -> None:
    """The others suffice, for now."""
    url = running.url.replace("//", "//127.0.0.1:1,")
    away, *others = [f for f in examine_redis(RedisSettings(url=url)) if f.subject == "redis sentinel"]
    assert away.grade is Grade.DOUBTFUL
    assert away.told.startswith("127.0.0.1:1 does not answer")
    assert {finding.grade for finding in others} == {Grade.RIGHT}


def test_check_counts_the_replicas_that_a_commit_waits_for(running: SentinelSet) -> None:
    """Too few is wrong, just enough is doubtful."""
    grades = []
    for count in (1, 2, 3):
        settings = RedisSettings(url=running.url, ack="replica", ack_replicas=count)
        grades += [finding.grade for finding in examine_redis(settings) if finding.subject == "redis.ack"]
    assert grades == [Grade.RIGHT, Grade.DOUBTFUL, Grade.WRONG]


async def test_both_clients_go_on_with_the_new_primary(running: SentinelSet, settings: RedisSettings) -> None:
    """Until there is one, every error means: try again later."""
    async with connect_async(settings) as async_client:
        with connect(settings) as client:
            assert await async_client.set("key", 1)
            assert client.set("key", 1)
            old = running.kill_primary()
            async with asyncio.timeout(60):
                await write_at_last(async_client)
            assert client.info()["tcp_port"] != old.port
            assert (await async_client.info())["tcp_port"] == client.info()["tcp_port"]


async def write_at_last(client: redis.asyncio.Redis) -> None:
    """Write until it goes through; any error but "unavailable" is a mistake."""
    while True:
        try:
            await client.set("key", 2)
        except Exception as error:
            if not is_unavailable(error):
                raise
            await asyncio.sleep(0.05)
        else:
            return
