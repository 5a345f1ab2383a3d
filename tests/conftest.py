"""What every test shares: one real Redis for the session, emptied for each test that asks for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings

# a machine shared with others is slow now and then, which says nothing about the code
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real redis-server, append-only, on a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="hl-"))  # short, for the path of the socket
    with EmbeddedRedis(folder) as server:
        yield server.url
    shutil.rmtree(folder)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of it, with nothing stored."""
    client = connect(RedisSettings(url=redis_url))
    client.flushall()
    yield client
    client.close()
