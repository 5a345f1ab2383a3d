"""One process of a Sentinel set, to be killed, frozen and asked: a redis-server or a sentinel."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hookline.redis_server import launcher

HOST = "127.0.0.1"


class Node:
    """A redis-server or a sentinel, which keeps its port and its folder when it is started again."""

    def __init__(self, server: Path, folder: Path, name: str, port: int) -> None:
        self.server, self.name, self.port = server, name, port
        self.folder = folder / name
        self.config = self.folder / "node.conf"
        self.folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def runs(self) -> bool:
        """Whether its process is there, frozen or not."""
        return self._process is not None and self._process.poll() is None

    def start(self, *arguments: str) -> None:
        """Start it on its configuration file, which it rewrites as its role changes."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 (the server that find_server found)
                [*launcher(), str(self.server), str(self.config), *arguments],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever stops it
            )

    def kill(self) -> None:
        """End it without a word, frozen or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it stand still: connections are still taken by the system, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen one go on, as if nothing had been."""
        self._signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """A client that tries once, and no longer than a second. Close it."""
        return redis.Redis(
            HOST, self.port, socket_timeout=1.0, decode_responses=True, retry=Retry(NoBackoff(), 0)
        )

    def info(self, section: str = "replication") -> dict[str, Any]:
        """What it says of itself; empty while it doesn't answer."""
        with contextlib.suppress(redis.RedisError), self.client() as client:
            told: dict[str, Any] = client.info(section)
            return told
        return {}

    def watched(self, service: str) -> dict[str, Any]:
        """What a sentinel says of the primary of this service; empty while it doesn't answer."""
        with contextlib.suppress(redis.RedisError), self.client() as client:
            state: dict[str, Any] = client.sentinel_master(service)
            return state
        return {}

    def _signal(self, signum: signal.Signals) -> None:
        if self._process is not None and self.runs:
            os.kill(self._process.pid, signum)
