"""The embedded Redis: a real redis-server as a child process, on a Unix socket, in a folder of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import redis

from hookline.errors import EmbeddedRedisError
from hookline.redis_server import client, find_server

DEFAULT_FOLDER = Path(".hookline/redis")
LONGEST_SOCKET_PATH = 100
"""Bytes. Linux takes 107 and macOS 103; longer ones go into a short temporary folder."""
STOP_TIMEOUT_SECONDS = 10.0


class EmbeddedRedis:
    """A context manager; `url` goes into `settings.redis.url`, the data stays in `folder` for the next start.

    Every write is fsynced before it is acknowledged, nothing is evicted, and no port is opened. Two
    locks order who is there: `owner.lock` is held by the process that started the server, and
    `server.lock` by the server itself, so one that outlived a killed owner is noticed and shut down.
    """

    def __init__(
        self,
        folder: Path = DEFAULT_FOLDER,
        *,
        server: Path | None = None,
        start_timeout_seconds: float = 15.0,
    ) -> None:
        self.folder = folder.absolute()
        self._wanted_server = server
        self._start_timeout_seconds = start_timeout_seconds
        self._owner_pid = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = self.folder / "redis.sock"
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it answers: `unix:///…/redis.sock`."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The process id of redis-server, or None while it is stopped."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it answers; EmbeddedRedisError quotes its last words when it doesn't."""
        if self._process:
            raise EmbeddedRedisError(f"the embedded Redis in {self.folder} is already started")
        server = find_server(self._wanted_server)
        self._owner_pid = os.getpid()
        try:
            self._make_folder()
            owner_lock = self._lock_as_owner()
            server_lock = self._lock_for_server(_previous_socket(owner_lock) or self._socket)
            server.check_can_read(self.folder)
            self._choose_socket(owner_lock)
            self._process = server.launch(
                self.folder,
                self._socket,
                lock_fd=server_lock.fileno(),
                timeout_seconds=self._start_timeout_seconds,
            )
            server_lock.close()  # from here on the server alone holds it
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it in an orderly way; without effect when it is stopped, or in a forked child of its owner."""
        if os.getpid() != self._owner_pid:
            return
        process, self._process = self._process, None
        if process and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._cleanup.close()

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedRedisError(f"{self.folder} cannot be made: {error.strerror}") from error

    def _open_lock(self, name: str) -> IO[str]:
        try:
            lock = (self.folder / name).open("a+", encoding="utf-8")
        except OSError as error:
            raise EmbeddedRedisError(f"{self.folder / name} cannot be written: {error.strerror}") from error
        return self._cleanup.enter_context(lock)

    def _lock_as_owner(self) -> IO[str]:
        """The file that says who owns the folder (its pid, and below it where its socket is)."""
        lock = self._open_lock("owner.lock")
        if not _try_lock(lock):
            lock.seek(0)
            pid = lock.readline().strip() or "unknown"
            raise EmbeddedRedisError(
                f"{self.folder} is in use by the embedded Redis of process {pid}; stop that, "
                "or use another folder"
            )
        return lock

    def _lock_for_server(self, previous_socket: Path) -> IO[str]:
        """The lock that redis-server will hold; an orphan that still holds it is shut down first."""
        lock = self._open_lock("server.lock")
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while not _try_lock(lock):
            # It may be loading, or on its way down already: then this fails, and is tried again.
            with contextlib.suppress(redis.RedisError), client(previous_socket) as connection:
                connection.shutdown()
            if time.monotonic() > deadline:
                raise EmbeddedRedisError(
                    f"a redis-server of an earlier start still holds {self.folder} and doesn't stop; "
                    f"find it by `fuser {lock.name}` and end it"
                )
            time.sleep(0.01)
        if previous_socket.parent != self.folder:
            with contextlib.suppress(OSError):  # the short folder of a killed owner, if it is empty now
                previous_socket.parent.rmdir()
        return lock

    def _choose_socket(self, owner_lock: IO[str]) -> None:
        """Put the socket into the folder, or, where its path gets too long, into a private short one."""
        self._socket = self.folder / "redis.sock"
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET_PATH:
            short = tempfile.mkdtemp(prefix="hookline-")
            self._cleanup.callback(shutil.rmtree, short, ignore_errors=True)
            self._socket = Path(short) / "redis.sock"
        self._socket.unlink(missing_ok=True)
        owner_lock.truncate(0)
        owner_lock.write(f"{os.getpid()}\n{self._socket}\n")
        owner_lock.flush()


def _previous_socket(owner_lock: IO[str]) -> Path | None:
    owner_lock.seek(0)
    _, _, socket = owner_lock.read().partition("\n")
    return Path(socket.strip()) if socket.strip() else None


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
