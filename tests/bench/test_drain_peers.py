"""The peers' jobs that need nothing but Hookline's own environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.deliveries import misskey
from bench.marks import JOBS, Marks
from bench.processes import Process
from bench.redis_servers import RedisServer
from bench.rows.drain import rq_peer
from bench.rows.latency import percentile
from hookline.redis_server import find_server

PARSE = "import sys; from note import parse; print(parse(sys.stdin.buffer.read()).body.note.user.username)"


def test_the_python_peers_parse_the_very_body_that_is_sent() -> None:
    """A peer whose job fails would be fast."""
    command = [sys.executable, "-c", PARSE]
    ended = subprocess.run(
        command, input=misskey(0).body, env={"PYTHONPATH": str(JOBS)}, capture_output=True, check=True
    )
    assert ended.stdout.decode().strip() in misskey(0).body.decode()


def test_the_stock_worker_does_every_job_that_it_was_given(tmp_path: Path) -> None:
    """Filled and worked off as in the bench."""
    marks, bodies = Marks(tmp_path), tmp_path / "bodies"
    bodies.write_bytes(misskey(0).body + b"\n" + misskey(1).body + b"\n")
    peer = rq_peer("simple")
    with RedisServer(find_server().path, tmp_path) as redis:
        environment = marks.environment | {"BENCH_REDIS_URL": redis.url, "BENCH_BODIES": str(bodies)}
        fill = [str(word) for word in (*peer.fill, 3, *peer.job)]
        subprocess.run(fill, env={**os.environ, **environment}, check=True)
        with Process("worker", peer.work, folder=tmp_path, environment=environment) as worker:
            marks.wait_for(3, worker)
    assert marks.count() == 3


@pytest.mark.parametrize(("share", "value"), [(50, 2.0), (75, 3.0), (99, 4.0)])
def test_a_percentile_is_a_value_that_was_measured(share: int, value: float) -> None:
    """None of it is interpolated."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == value
