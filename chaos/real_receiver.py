"""A receiver to be mistreated: a real process over a real Redis of its own."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from chaos.bad_requests import MOST_BODY_BYTES, signed_bodies
from chaos.genuine import ESA_SECRET, MISSKEY_SECRET
from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.index import Filter, find
from hookline.service import LogLine, Service
from hookline.settings import Redis as RedisSettings
from hookline.store import Store
from hookline.workbench import RECEIVER_READY

_CONFIG = """
[sources.misskey]
provider = "misskey"
secrets = ["env:CHAOS_MISSKEY_SECRET"]

[sources.team]
provider = "esa"
secrets = ["env:CHAOS_ESA_SECRET"]
"""


class RealReceiver:
    """A receiver with its Redis, and what it complains of."""

    def __init__(self, folder: Path) -> None:
        config = folder / "hookline.toml"
        config.write_text(_CONFIG, encoding="utf-8")
        self.redis = EmbeddedRedis(folder / "redis")
        self.redis.start()
        self.complaints: list[tuple[int, str]] = []
        self.latest = 0
        self.service = Service(
            "hookline_receiver",
            environment={
                "HOOKLINE_CONFIG": str(config),
                "HOOKLINE_REDIS__URL": self.redis.url,
                "HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": "30",
                "HOOKLINE_RECEIVER__PORT": "0",
                "HOOKLINE_RECEIVER__ADMIN_PORT": "0",
                "HOOKLINE_RECEIVER__MAX_BODY_BYTES": str(MOST_BODY_BYTES),
                "HOOKLINE_RECEIVER__BODY_TIMEOUT_SECONDS": "2",
                "HOOKLINE_RECEIVER__IDLE_TIMEOUT_SECONDS": "3",
                # Free memory goes back to the system at once: what is in use then tells of leaks alone.
                "MALLOC_TRIM_THRESHOLD_": str(128 * 1024),
                "MALLOC_MMAP_THRESHOLD_": str(64 * 1024),
                "CHAOS_MISSKEY_SECRET": MISSKEY_SECRET.decode(),
                "CHAOS_ESA_SECRET": ESA_SECRET.decode(),
            },
            ready=RECEIVER_READY,
            on_log=self._take,
        )
        self.port = int(self.service.wait_until_ready()["url"].rpartition(":")[2])

    def _take(self, line: LogLine) -> None:
        if "exception" in line or "logger" in line or line.get("level") in ("error", "critical"):
            self.complaints.append((self.latest, str(line)))

    def forged(self) -> int:
        """How many of esa's events in Redis were never signed with the secret."""
        with connect(RedisSettings(url=self.redis.url)) as client:
            store = Store(client)
            bodies = [store.fields(each.id)["body"] for each in find(store, Filter(source="team"))]
        return sum(sha256(body).digest() not in signed_bodies() for body in bodies)


@contextlib.contextmanager
def real_receiver() -> Iterator[RealReceiver]:
    """One that ends, with its Redis and its folder, whatever becomes of it."""
    with tempfile.TemporaryDirectory(prefix="hl-") as folder:
        receiver = RealReceiver(Path(folder))
        try:
            yield receiver
        finally:
            receiver.service.stop()
            receiver.redis.stop()
