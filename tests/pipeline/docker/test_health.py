"""deploy/health.py, Docker's health checks, with a real Redis and a real HTTP server."""

from __future__ import annotations

import http.server
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Worker

from hookline.embedded import EmbeddedRedis

_spec = importlib.util.spec_from_file_location(
    "deploy_health", Path(__file__).parents[3] / "deploy" / "health.py"
)
assert _spec
assert _spec.loader
health = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(health)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis of its own."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        yield client


@contextmanager
def answering(status: int) -> Iterator[int]:
    """The port of a server that answers every GET with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_receiver_that_is_ready_is_healthy() -> None:
    """200 of /readyz is health."""
    with answering(200) as port:
        health.receiver("127.0.0.1", port)


def test_a_console_that_answers_is_healthy() -> None:
    """Whether Redis does or not."""
    with answering(200) as port:
        health.console("127.0.0.1", port)
    with answering(500) as port, pytest.raises(health.UnhealthyError, match="/healthz answers 500"):
        health.console("127.0.0.1", port)


def test_a_receiver_that_could_not_commit_is_not() -> None:
    """Any other answer is not, and is told."""
    with answering(503) as port, pytest.raises(health.UnhealthyError, match="/readyz answers 503"):
        health.receiver("127.0.0.1", port)


def test_a_worker_with_a_fresh_heartbeat_is_healthy(redis: Redis) -> None:
    """One worker of this host that RQ has heard of lately is enough."""
    worker = Worker([Queue("hookline", connection=redis)], connection=redis)
    worker.register_birth()
    health.worker(redis, worker.hostname, datetime.now(UTC))


def test_a_worker_of_another_host_is_no_sign_of_health(redis: Redis) -> None:
    """What the other replicas do says nothing of this one."""
    worker = Worker([Queue("hookline", connection=redis)], connection=redis)
    worker.register_birth()
    with pytest.raises(health.UnhealthyError, match="no worker of elsewhere"):
        health.worker(redis, "elsewhere", datetime.now(UTC))


def test_a_worker_that_has_been_silent_is_not_healthy(redis: Redis) -> None:
    """A minute without a heartbeat is too long, by far."""
    worker = Worker([Queue("hookline", connection=redis)], connection=redis)
    worker.register_birth()
    with pytest.raises(health.UnhealthyError, match="the last heartbeat of"):
        health.worker(redis, worker.hostname, datetime.now(UTC) + timedelta(seconds=61))
