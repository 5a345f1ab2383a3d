"""A whole Hookline for a test: real Redis, real processes, the test's own plugins."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.ledger import Run, runs_of
from hookline.operations import now_ms, text
from hookline.providers import Delivery
from hookline.queue import job
from hookline.senders import Answer, Poster, delivery_random, make_delivery, post_all
from hookline.service import LogLine, Service
from hookline.settings import Redis as RedisSettings
from hookline.store import Store
from hookline.workbench import CONSOLE_READY, RECEIVER_READY, WORKER_READY

PATIENCE_SECONDS = 60.0
MISSKEY_SECRET = "misskey-secret-7Qp2"
ESA_SECRET = "esa-secret-9fLw"
PASSWORD = "correct horse battery"

CONFIG = """
[worker]
plugins = ["{plugins}"]
backoff_base_seconds = 0.2
{worker}

[sources.misskey]
provider = "misskey"
secrets = ["env:TEST_MISSKEY_SECRET"]

[sources.team]
provider = "esa"
secrets = ["env:TEST_ESA_SECRET"]
"""

WITNESS = '''
"""What every test's plugins use to tell the test that they ran, even when their process dies at once."""
import os
def tell(line):
    fd = os.open({file!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (line + "\\n").encode())
    os.close(fd)
'''


class Pipeline:
    """The processes of one test, and what a test asks of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugins = folder / "plugins"
        self.plugins.mkdir()
        self.witness = folder / "witness"
        self.redis = EmbeddedRedis(folder / "redis")
        self.redis.start()
        self.store = Store(
            connect(RedisSettings(url=self.redis.url), response_timeout_seconds=PATIENCE_SECONDS)
        )
        self.services: list[Service] = []
        self.log: list[LogLine] = []
        self.more_environment: dict[str, str] = {}
        self.url = ""
        self.admin_url = ""
        self.console_url = ""
        (self.plugins / "_witness.py").write_text(WITNESS.format(file=str(self.witness)))
        self.configure()

    def configure(self, worker: str = "") -> None:
        """Write the settings file, with these lines in its [worker] section."""
        (self.folder / "hookline.toml").write_text(CONFIG.format(plugins=self.plugins, worker=worker))

    def plugin(self, name: str, code: str) -> None:
        """Write a plugin; `tell(line)` is there for it."""
        source = "from _witness import tell\nfrom hookline import *\n" + textwrap.dedent(code)
        (self.plugins / f"{name}.py").write_text(source)

    def start_receiver(self, *arguments: str) -> Service:
        """Start a receiver, and wait until it listens."""
        receiver = self._start("hookline_receiver", arguments, RECEIVER_READY)
        line = receiver.wait_until_ready()
        self.url, self.admin_url = line["url"], line["admin"]
        return receiver

    def start_worker(self, *arguments: str) -> Service:
        """Start a worker, and wait until it works."""
        worker = self._start("hookline_worker", arguments, WORKER_READY)
        worker.wait_until_ready()
        return worker

    def start_console(self) -> Service:
        """Start a console, and wait until it listens."""
        console = self._start("hookline_console", (), CONSOLE_READY)
        self.console_url = console.wait_until_ready()["url"]
        return console

    def _start(self, module: str, arguments: tuple[str, ...], ready: str) -> Service:
        service = Service(
            module, arguments, environment=self.environment(), ready=ready, on_log=self.log.append
        )
        self.services.append(service)
        return service

    def environment(self) -> dict[str, str]:
        """What the processes are told beside the settings file."""
        return {
            "HOOKLINE_CONFIG": str(self.folder / "hookline.toml"),
            "HOOKLINE_REDIS__URL": self.redis.url,
            "HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": str(PATIENCE_SECONDS),
            "HOOKLINE_RECEIVER__PORT": "0",
            "HOOKLINE_RECEIVER__ADMIN_PORT": "0",
            "TEST_MISSKEY_SECRET": MISSKEY_SECRET,
            "TEST_ESA_SECRET": ESA_SECRET,
            "HOOKLINE_CONSOLE__PORT": "0",
            "HOOKLINE_CONSOLE__PASSWORD": "env:TEST_CONSOLE_PASSWORD",
            "TEST_CONSOLE_PASSWORD": PASSWORD,
            **self.more_environment,
        }

    def poster(self, source: str, *, connections: int = 1) -> Poster:
        """A sender to this source's hook, more patient than Misskey."""
        url = f"{self.url}/hooks/{source}"
        return Poster(url, connections=connections, timeout_seconds=PATIENCE_SECONDS)

    async def post(self, provider: str, kind: str, number: int = 0, **options: Any) -> Answer:
        """Send one delivery as the provider's sender would."""
        source, secret = {"misskey": ("misskey", MISSKEY_SECRET), "esa": ("team", ESA_SECRET)}[provider]
        delivery = make_delivery(
            provider, kind, secret=secret.encode(), rng=delivery_random(0, number), now_ms=now_ms(), **options
        )
        async with self.poster(source) as poster:
            return await poster.post(delivery)

    async def post_body(
        self, provider: str, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> Answer:
        """Send this body, genuinely signed, with these headers beside it."""
        source, secret = {"misskey": ("misskey", MISSKEY_SECRET), "esa": ("team", ESA_SECRET)}[provider]
        if provider == "esa":
            signature = hmac.new(secret.encode(), body, "sha256").hexdigest()
            signed = (b"X-Esa-Signature", f"sha256={signature}".encode())
        else:
            signed = (b"x-misskey-hook-secret", secret.encode())
        async with self.poster(source) as poster:
            return await poster.post(Delivery([signed, *headers], body))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line on this pipeline."""
        return subprocess.run(
            [sys.executable, "-c", "from hookline.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **self.environment(), "COLUMNS": "160"},
        )

    async def post_many(self, kind: str, count: int) -> list[str]:
        """Send so many Misskey deliveries of one type; gives the ids of their events."""
        deliveries = (
            make_delivery(
                "misskey", kind, secret=MISSKEY_SECRET.encode(), rng=delivery_random(1, n), now_ms=now_ms()
            )
            for n in range(count)
        )
        async with self.poster("misskey", connections=32) as poster:
            answers = await post_all(poster, deliveries)
        assert [answer.status for answer in answers] == [202] * count
        return [(answer.body or {})["id"] for answer in answers]

    def enqueue_together(self, event_ids: list[str]) -> None:
        """Have these events processed as one group, whatever jobs named them before."""
        self.enqueue_in_groups(event_ids, len(event_ids))

    def enqueue_in_groups(self, event_ids: list[str], size: int) -> None:
        """Have these events processed in groups of so many, whatever jobs named them before."""
        redis = self.store.redis
        for old in text(redis.lrange("rq:queue:hookline", 0, -1)):
            redis.delete(f"rq:job:{old}")
        redis.delete("rq:queue:hookline")
        for start in range(0, len(event_ids), size):
            new = job(event_ids[start : start + size])
            mapping = {
                "data": new.data,
                "origin": "hookline",
                "status": "queued",
                "timeout": -1,
                "result_ttl": 0,
            }
            mapping |= {"created_at": "2026-01-01T00:00:00.000000Z", "description": new.description}
            redis.hset(f"rq:job:{new.id}", mapping=mapping)
            redis.rpush("rq:queue:hookline", new.id)

    def event_ids(self) -> list[str]:
        """Every stored event, in the order of receipt."""
        return self.store.event_ids()

    def state(self, event_id: str) -> str:
        """An event's state."""
        return self.store.fields(event_id)["state"].decode()

    def states(self) -> Counter[str]:
        """How many events are in which state."""
        return Counter(self.state(event_id) for event_id in self.event_ids())

    def runs(self, event_id: str) -> dict[str, Run]:
        """An event's ledger."""
        return runs_of(self.store.fields(event_id))

    def told(self) -> list[str]:
        """What the plugins told, line by line."""
        return self.witness.read_text().splitlines() if self.witness.exists() else []

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Look until the condition holds; the bound is for a broken build, not part of any promise."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                pytest.fail(f"{what} did not come about; states {self.states()}; log:\n{self.log_text()}")
            time.sleep(0.05)

    def wait_until_finished(self, count: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until so many events are stored, and every one is done or dead."""

        def are_finished() -> bool:
            states = self.states()
            return states.total() == count and states.keys() <= {"done", "dead"}

        self.wait_for(are_finished, f"{count} finished events", seconds)

    def log_text(self) -> str:
        """Everything that the processes logged."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in list(self.log))

    def end(self) -> None:
        """Stop everything, however the test left it."""
        for service in self.services:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
            service.wait()
        self.redis.stop()


@contextlib.contextmanager
def running_pipeline() -> Iterator[Pipeline]:
    """A pipeline whose processes end with the block."""
    folder = Path(tempfile.mkdtemp(prefix="hl-"))  # short, for the path of the Unix socket
    made = Pipeline(folder)
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)
