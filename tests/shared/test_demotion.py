"""A server that was demoted, or is cut off from its replicas, is left for whoever is the primary now."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from hookline.connections import connect, connect_async, is_unavailable
from hookline.embedded import EmbeddedRedis
from hookline.redis_server import find_server, shipped_server
from hookline.settings import Redis as RedisSettings

SERVERS = list(dict.fromkeys([find_server().path, *filter(None, [shipped_server()])]))
SCRIPT = "return redis.call('SET', KEYS[1], 1)"


@pytest.fixture(params=SERVERS, ids=str)
def embedded(request: pytest.FixtureRequest) -> Iterator[EmbeddedRedis]:
    """Each version that is here: an error within a script differs from one to the next."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder), server=request.param) as running,
    ):
        yield running


def demote(client: redis.Redis) -> None:
    """Make it the replica of nobody."""
    client.replicaof("127.0.0.1", "1")


def cut_off(client: redis.Redis) -> None:
    """Let it want a replica."""
    client.config_set("min-replicas-to-write", "1")


def restore(client: redis.Redis) -> None:
    """Make it take writes again."""
    client.replicaof("NO", "ONE")
    client.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize("spoil", [demote, cut_off], ids=lambda each: each.__name__)
async def test_the_connection_is_not_used_again(embedded: EmbeddedRedis, spoil: Any) -> None:
    """Of a plain command, and of a script, as every commit is."""
    settings = RedisSettings(url=embedded.url)
    with connect(settings) as administrator, connect(settings) as client:
        async with connect_async(settings) as async_client:
            for attempt, again in (
                (lambda: client.set("key", 1), client.client_id),
                (lambda: client.eval(SCRIPT, 1, "key"), client.client_id),
                (lambda: client.pipeline(transaction=False).set("key", 1).execute(), client.client_id),
            ):
                before = again()
                spoil(administrator)
                with pytest.raises(redis.RedisError) as caught:
                    attempt()
                assert is_unavailable(caught.value)
                restore(administrator)
                assert again() != before
            before = await async_client.client_id()
            spoil(administrator)
            with pytest.raises(redis.RedisError) as caught:
                await async_client.eval(SCRIPT, 1, "key")
            assert is_unavailable(caught.value)
            restore(administrator)
            assert await async_client.client_id() != before
