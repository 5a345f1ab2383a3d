"""A fresh Redis for each measurement: on a free port, append-only, with the fsync policy of the contest."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Literal, Self

from redis import Redis

from bench.machine import peak_memory_bytes
from bench.processes import Process, free_port

Fsync = Literal["everysec", "always"]


class RedisServer:
    """A redis-server of its own, gone with its data when `with` ends."""

    def __init__(self, program: Path, runs: Path, fsync: Fsync = "everysec") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="redis-", dir=runs))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process = Process(
            "redis-server",
            [program, *_arguments(self.folder, self.port, fsync)],
            folder=self.folder,
            port=self.port,
        )

    def __enter__(self) -> Self:
        self._process.start()
        self.client = Redis(port=self.port)
        self.client.ping()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._process.pid

    def peak_data_bytes(self) -> int:
        """The most that its data took, as it says itself."""
        return int(self.client.info("memory")["used_memory_peak"])

    def peak_memory_bytes(self) -> int:
        """The most that the process has had in memory."""
        return peak_memory_bytes(self.pid)


def _arguments(folder: Path, port: int, fsync: Fsync) -> list[str]:
    values = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": fsync,
        # A rewrite would fall into one sample and not into the next.
        "auto-aof-rewrite-percentage": "0",
        "maxmemory-policy": "noeviction",
        "tcp-backlog": "511",
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]
