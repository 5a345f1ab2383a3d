"""Real receivers over a real Redis, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.senders import (
    Answer,
    Outgoing,
    Poster,
    delivery_random,
    make_delivery,
    parse_target,
    request_bytes,
)
from hookline.senders.answer import NothingCameBackError, Response, read_response
from hookline.service import LogLine, Service
from hookline.settings import Redis as RedisSettings
from hookline.store import Store
from hookline.workbench import RECEIVER_READY

PATIENCE_SECONDS = 60.0
SECRETS = {"misskey": "misskey-secret-7Qp2", "esa": "esa-secret-9fLw"}
SOURCES = {"misskey": "misskey", "esa": "team"}

CONFIG = """
[sources.misskey]
provider = "misskey"
secrets = ["env:TEST_MISSKEY_SECRET"]

[sources.team]
provider = "esa"
secrets = ["env:TEST_ESA_SECRET"]

[sources.open]
provider = "misskey"
unverified = true
"""


class Connection:
    """A TCP connection to a receiver."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, raw: bytes) -> None:
        """Send these bytes, without waiting until they are taken."""
        self.writer.write(raw)

    async def answer(self) -> Response:
        """The next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await read_response(self.reader)

    async def line(self) -> bytes:
        """The next line as it comes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readline()

    async def is_closed_within(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the receiver closes it, and sends nothing more, within this time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


class Receiver:
    """One started receiver."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.config = folder / "hookline.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self.log: list[LogLine] = []
        self._news = threading.Condition()
        self.service = Service(
            "hookline_receiver",
            arguments,
            environment={
                "HOOKLINE_CONFIG": str(self.config),
                "HOOKLINE_RECEIVER__PORT": "0",
                "HOOKLINE_RECEIVER__ADMIN_PORT": "0",
                "HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
                "TEST_MISSKEY_SECRET": SECRETS["misskey"],
                "TEST_ESA_SECRET": SECRETS["esa"],
                **environment,
            },
            ready=RECEIVER_READY,
            on_log=self._take,
        )
        self.url = self.admin = ""

    def wait_until_ready(self) -> None:
        """Wait until it listens."""
        line = self.service.wait_until_ready()
        self.url, self.admin = line["url"], line["admin"]

    @property
    def port(self) -> int:
        """The port that deliveries come to."""
        return int(self.url.rpartition(":")[2])

    def _take(self, line: LogLine) -> None:
        with self._news:
            self.log.append(line)
            self._news.notify_all()

    def wait_for_log(self, wanted: Callable[[LogLine], Any], *, since: int = 0) -> LogLine:
        """The first log line from number `since` on that is wanted; fails when none comes."""
        with self._news:
            found = self._news.wait_for(
                lambda: next(filter(wanted, self.log[since:]), None), timeout=PATIENCE_SECONDS
            )
        assert found, f"no such line in the log:\n{self.log_text()}"
        return found

    def log_text(self) -> str:
        """The log, as text."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in list(self.log))

    def complaints(self) -> list[LogLine]:
        """The lines of the log that tell of a mistake in the receiver itself."""
        return [line for line in list(self.log) if "exception" in line or line.get("logger")]

    def delivery(self, kind: str = "follow", number: int = 0, *, provider: str = "misskey") -> Outgoing:
        """A signed delivery; the same number gives the same delivery."""
        return make_delivery(
            provider,
            kind,
            secret=SECRETS[provider].encode(),
            rng=delivery_random(f"{kind}{self.port}", number),
            now_ms=1_790_000_000_000,
        )

    async def post(self, delivery: Outgoing, source: str = "misskey") -> Answer:
        """Post it as its sender would."""
        async with Poster(f"{self.url}/hooks/{source}", timeout_seconds=PATIENCE_SECONDS) as poster:
            return await poster.post(delivery)

    def raw(self, delivery: Outgoing, source: str = "misskey") -> bytes:
        """The bytes that its sender would send."""
        return request_bytes(delivery, parse_target(f"{self.url}/hooks/{source}"))

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def exchange(self, raw: bytes) -> Response | None:
        """The answer to these bytes, or None where the connection is closed without one."""
        async with self.connection() as connection:
            connection.send(raw)
            try:
                return await connection.answer()
            except NothingCameBackError:
                return None

    def check(self, path: str) -> int:
        """The status of a path at the admin port."""
        try:
            with urllib.request.urlopen(self.admin + path, timeout=PATIENCE_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def end(self) -> None:
        """End it and its children, however the test left them."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.service.pid, signal.SIGKILL)
        self.service.wait()


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder with a short path, for Unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="hl-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def _shared_redis(folder: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder / "shared") as redis:
        yield redis


@pytest.fixture(scope="session")
def _quiet_redis(folder: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(folder / "quiet") as redis:
        yield redis


@pytest.fixture
def redis(request: pytest.FixtureRequest) -> EmbeddedRedis:
    """A Redis that tests share, emptied; the shared receiver reports to another than most tests have."""
    name = "_shared_redis" if "receiver" in request.fixturenames else "_quiet_redis"
    shared: EmbeddedRedis = request.getfixturevalue(name)
    with connect(RedisSettings(url=shared.url), response_timeout_seconds=PATIENCE_SECONDS) as client:
        client.flushall()
    return shared


@pytest.fixture
def store(redis: EmbeddedRedis) -> Iterator[Store]:
    """What is in the shared Redis."""
    with connect(RedisSettings(url=redis.url), response_timeout_seconds=PATIENCE_SECONDS) as client:
        yield Store(client)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Redis of the test's own, for the tests that do it harm."""
    redis = EmbeddedRedis(tmp_path / "redis")
    redis.start()
    yield redis
    if redis.pid:
        os.kill(redis.pid, signal.SIGCONT)
    redis.stop()


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[Callable[..., Receiver]]:
    """Starts receivers that end with the test: `start_receiver(redis.url, "--processes", "2", NAME="x")`."""
    started: list[Receiver] = []

    def start(redis_url: str, *arguments: str, wait: bool = True, **environment: str) -> Receiver:
        folder = tmp_path / f"receiver{len(started)}"
        folder.mkdir()
        receiver = Receiver(folder, arguments, {"HOOKLINE_REDIS__URL": redis_url, **environment})
        started.append(receiver)
        if wait:
            receiver.wait_until_ready()
        return receiver

    yield start
    for receiver in started:
        receiver.end()


@pytest.fixture(scope="session")
def _shared_receiver(_shared_redis: EmbeddedRedis, folder: Path) -> Iterator[Receiver]:
    receiver = Receiver(folder, (), {"HOOKLINE_REDIS__URL": _shared_redis.url})
    try:
        receiver.wait_until_ready()
        yield receiver
        assert receiver.service.stop() == 0
        assert receiver.complaints() == []
    finally:
        receiver.end()


@pytest.fixture
def receiver(_shared_receiver: Receiver, redis: EmbeddedRedis) -> Iterator[Receiver]:
    """The receiver that the tests share, over an empty Redis; it has nothing to complain of after any."""
    yield _shared_receiver
    assert _shared_receiver.service.exit_status is None
    assert _shared_receiver.complaints() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MiB, as a folder; skips where none can be had."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives, once it holds; the bound is for a broken build, not part of any promise."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < until, f"{what} did not come about"
        time.sleep(0.01)
    return found


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[[Callable[[], Any], str], Any]:
    return wait_for
