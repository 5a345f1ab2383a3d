"""What all tests share: one real Redis, emptied for each that asks for it; and which process runs what."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from redis import Redis
from xdist.scheduler import LoadScopeScheduling

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings

# a machine shared with others is slow now and then, which says nothing about the code
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

IN_MEMORY = Path("/dev/shm")
WANTED_BYTES = 2 << 30


def _write_into_memory() -> None:
    """Where a file system in memory has room: a disk that stands still for seconds says nothing either.

    What is fsynced there outlives a killed process as well as on a disk.
    """
    with contextlib.suppress(OSError):
        if shutil.disk_usage(IN_MEMORY).free > WANTED_BYTES and os.access(IN_MEMORY, os.W_OK):
            os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)


_write_into_memory()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # after `nohup make test &`; it is inherited
    signal.signal(signal.SIGINT, signal.default_int_handler)

PATIENCE_SECONDS = 60.0
"""For what takes no time; a bound for a broken build, not part of any promise."""

BROWSER = "tests/browser/"
"""Where the tests of a module share what takes long to start, and all of them the browser."""


class Scheduling(LoadScopeScheduling):
    """Each process takes one test after the other; those with the browser are all for one of them."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSER if nodeid.startswith(BROWSER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """How tests are given to several processes."""
    return Scheduling(config, log)


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
    client = connect(RedisSettings(url=redis_url), response_timeout_seconds=PATIENCE_SECONDS)
    client.flushall()
    yield client
    client.close()
