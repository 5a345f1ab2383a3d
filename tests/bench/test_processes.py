"""Programs under measurement: started, waited for, stopped for certain."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.contest import NotMeasuredError
from bench.machine import cpu_seconds, tree
from bench.processes import Process, answers, free_port
from bench.redis_servers import RedisServer
from hookline.redis_server import find_server

LISTEN = "import socket, time\ns = socket.create_server(('127.0.0.1', {port}))\ntime.sleep(60)"
PARENT = "import subprocess; p = subprocess.Popen(['sleep', '60']); print('I am up', flush=True); p.wait()"


def test_a_program_is_ready_when_its_port_answers_and_gone_afterwards(tmp_path: Path) -> None:
    """Nothing of one sample may run on into the next."""
    port = free_port()
    command = [sys.executable, "-c", LISTEN.format(port=port)]
    with Process("listener", command, folder=tmp_path, port=port) as it:
        assert answers(port)
        assert it.url == f"http://127.0.0.1:{port}"
    assert not answers(port)


def test_a_program_is_ready_when_it_says_so(tmp_path: Path) -> None:
    """Its log is kept, and what it started goes with it."""
    with Process("talker", [sys.executable, "-c", PARENT], folder=tmp_path, ready="am up") as it:
        assert it.line("up") == "I am up"
        (child,) = tree(it.pid)[1:]
    assert not Path(f"/proc/{child}").exists()


def test_a_program_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    """Its last words are the reason that the reader is given."""
    with pytest.raises(NotMeasuredError, match=r"(?s)status 3.*no such hook"):
        Process("broken", ["sh", "-c", "echo no such hook; exit 3"], folder=tmp_path, ready="never").start()


def test_a_fresh_redis_is_as_the_contest_says(tmp_path: Path) -> None:
    """Append-only, with the fsync policy that was asked for; its folder is gone afterwards."""
    with RedisServer(find_server().path, tmp_path, "always") as redis:
        told = redis.client.config_get("append*")
        assert (told["appendonly"], told["appendfsync"]) == ("yes", "always")
        redis.client.set("key", b"x" * 2_000_000)
        assert redis.client.info("memory")["used_memory"] > 2_000_000
        assert redis.peak_memory_bytes() > 2_000_000
        assert redis.client.info("commandstats")["cmdstat_set"]["calls"] == 1
        assert cpu_seconds(redis.pid) >= 0
    assert list(tmp_path.iterdir()) == []
