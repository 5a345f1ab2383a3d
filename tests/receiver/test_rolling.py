"""Receivers replaced one at a time, under clients that forgive nothing: every request has its 202."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hookline.embedded import EmbeddedRedis
from hookline.senders import delivery_random, make_delivery, parse_target, request_bytes
from hookline.senders.answer import read_response
from hookline.store import Store
from hookline.workbench import RECEIVER_READY
from hookline_receiver.listening import stop_accepting

if TYPE_CHECKING:
    from conftest import Receiver

Start = Callable[..., "Receiver"]
WaitFor = Callable[[Callable[[], Any], str], Any]

CLIENTS = 12
"""Of each kind: those that keep their connection, and those with a new one for each request."""
PAUSE_SECONDS = 0.02
MORE = 200
"""So many requests are answered between two replacements."""

CONFIG = """
[sources.open]
provider = "misskey"
unverified = true
"""
PATIENT = {"HOOKLINE_RECEIVER__LINGER_SECONDS": "10"}
"""For clients on a busy machine; those of the load are never quiet, so that nothing takes longer for it."""
MODULE = ("-m", "hookline_receiver")
COMMAND = ("-c", "from hookline.cli import main; main()", "receiver")
LAUNCH = """
import os, sys
descriptors, *command = sys.argv[1:]
given = [int(each) for each in descriptors.split(",")]
for number, descriptor in enumerate(given):
    os.dup2(descriptor, 3 + number)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.environ["LISTEN_FDS"] = str(len(given))
os.execv(sys.executable, [sys.executable, *command])
"""


class Load:
    """Clients that count what each request came to; one that has no answer is not sent again."""

    def __init__(self, port: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._target = parse_target(f"http://127.0.0.1:{port}/hooks/open")
        self._number = 0
        self._is_over = False
        self._news = asyncio.Event()

    @property
    def accepted(self) -> int:
        """How many requests were answered 202."""
        return self.outcomes["202"]

    async def client(self, *, keeps_alive: bool) -> None:
        """Send one request after another."""
        async with contextlib.AsyncExitStack() as stack:
            connection = None
            while not self._is_over:
                try:
                    connection = connection or await asyncio.open_connection("127.0.0.1", self._target.port)
                    may_stay = await self._exchange(*connection)
                except OSError as error:
                    self.outcomes[repr(error)] += 1
                    may_stay = False
                if connection and not (keeps_alive and may_stay):
                    connection[1].transport.abort()
                    connection = None
                self._news.set()
                await asyncio.sleep(PAUSE_SECONDS)
            if connection:
                stack.callback(connection[1].transport.abort)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self._number += 1
        delivery = make_delivery(
            "misskey", "note", secret=b"x", rng=delivery_random("rolling", self._number), now_ms=1
        )
        writer.write(request_bytes(delivery, self._target))
        async with asyncio.timeout(30):
            answer = await read_response(reader)
        self.outcomes[str(answer.status)] += 1
        return answer.keeps_alive

    async def more(self, count: int = MORE) -> None:
        """Wait until so many more requests are through."""
        until = self.outcomes.total() + count
        async with asyncio.timeout(60):
            while self.outcomes.total() < until:
                self._news.clear()
                await self._news.wait()

    def end(self) -> None:
        """Let each client send no further request."""
        self._is_over = True


@contextlib.asynccontextmanager
async def load(port: int) -> AsyncIterator[Load]:
    """Clients of both kinds at work; at the end all of them have their answers."""
    made = Load(port)
    async with asyncio.TaskGroup() as group:
        for number in range(2 * CLIENTS):
            group.create_task(made.client(keeps_alive=number % 2 == 0))
        await made.more()
        yield made
        await made.more()
        made.end()


class Activated:
    """A receiver that was given its sockets as systemd gives them."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log

    def said(self, event: str) -> dict[str, Any] | None:
        """The line of its log with this message, if it is there."""
        lines = self.log.read_text().splitlines()
        assert self.process.poll() is None, lines
        return next((json.loads(line) for line in lines if f'"{event}"' in line), None)

    def end(self) -> int:
        """Stop it; its exit status."""
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def activate(tmp_path: Path, redis: EmbeddedRedis) -> Iterator[Callable[..., Activated]]:
    """Starts receivers on sockets that the test holds: `activate([deliveries, admin], NAME="x")`."""
    started: list[Activated] = []
    config = tmp_path / "hookline.toml"
    config.write_text(CONFIG)

    def start(
        sockets: Sequence[socket.socket], command: tuple[str, ...] = MODULE, **environment: str
    ) -> Activated:
        settings = {
            "HOOKLINE_CONFIG": str(config),
            "HOOKLINE_REDIS__URL": redis.url,
            "HOOKLINE_RECEIVER__PORT": "0",
            "HOOKLINE_RECEIVER__ADMIN_PORT": "0",
            "HOOKLINE_LOGGING__FORMAT": "json",
        }
        # out of the way of 3 and 4, where they are to be
        copies = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, 10) for each in sockets]
        log = tmp_path / f"log{len(started)}"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH, ",".join(map(str, copies)), *command],
                env={**os.environ, **settings, **environment},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=copies,
            )
        for copy in copies:
            os.close(copy)
        started.append(Activated(process, log))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def held() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two listening sockets, held by the test."""
    with (
        socket.create_server(("127.0.0.1", 0)) as deliveries,
        socket.create_server(("127.0.0.1", 0)) as admin,
    ):
        yield deliveries, admin


def port_of(listener: socket.socket) -> int:
    """Where it listens."""
    return int(listener.getsockname()[1])


def stored(store: Store) -> int:
    """How many events there are; each delivery of the load is one of its own."""
    return sum(1 for _ in store.redis.scan_iter("hookline:event:*", count=1000))


@pytest.mark.parametrize("overlap", [True, False], ids=["start, then stop", "stop, then start"])
async def test_receivers_on_a_socket_that_stays_are_replaced_and_no_request_is_lost(
    activate: Callable[..., Activated],
    held: tuple[socket.socket, socket.socket],
    store: Store,
    wait_for: WaitFor,
    overlap: bool,
) -> None:
    """Two at once for a while, or none for a while, when connections wait in the backlog."""

    def start() -> Activated:
        receiver = activate(held, **PATIENT)
        wait_for(lambda: receiver.said(RECEIVER_READY), "a receiver")
        return receiver

    receiver = start()
    async with load(port_of(held[0])) as clients:
        for _ in range(2):
            old = receiver
            if overlap:
                receiver = await asyncio.to_thread(start)
            assert await asyncio.to_thread(old.end) == 0
            if not overlap:
                receiver = await asyncio.to_thread(start)
            await clients.more()
    assert receiver.end() == 0
    assert clients.outcomes == {"202": clients.accepted}
    assert stored(store) == clients.accepted


async def test_sighup_replaces_the_processes_of_a_receiver_and_no_request_is_lost(
    redis: EmbeddedRedis, store: Store, start_receiver: Start
) -> None:
    """One after another, by processes that know the settings as they are now."""
    receiver = start_receiver(redis.url, "--processes", "2", **PATIENT)
    receiver.wait_for_log(lambda _: len(pids(receiver)) == 2)
    config = receiver.config
    async with load(receiver.port) as clients:
        config.write_text(config.read_text() + '[sources.added]\nprovider = "esa"\nunverified = true\n')
        receiver.service.signal(signal.SIGHUP)
        await asyncio.to_thread(receiver.wait_for_log, lambda _: stopped(receiver) == 2)
        answer = await receiver.post(receiver.delivery("post_create", provider="esa"), "added")
        assert answer.status == 202
    assert clients.outcomes == {"202": clients.accepted}
    assert stored(store) == clients.accepted + 1
    turn = [RECEIVER_READY, "receiver is stopping", "receiver has stopped"]
    assert [line["event"] for line in receiver.log if line["event"] in turn] == [
        RECEIVER_READY
    ] * 2 + turn * 2
    assert receiver.service.stop() == 0
    assert receiver.complaints() == []


def stopped(receiver: Receiver) -> int:
    """How many of its processes have stopped."""
    return sum(line["event"] == "receiver has stopped" for line in list(receiver.log))


def pids(receiver: Receiver) -> set[int]:
    """The processes that listened at some time."""
    return {line["pid"] for line in list(receiver.log) if line["event"] == RECEIVER_READY}


def test_the_command_hands_on_what_it_was_given(
    activate: Callable[..., Activated], held: tuple[socket.socket, socket.socket], wait_for: WaitFor
) -> None:
    """`hookline receiver`, with several processes: the first socket for deliveries, the second for checks."""
    receiver = activate(held, (*COMMAND, "--processes", "2"))
    line = wait_for(lambda: receiver.said(RECEIVER_READY), "a receiver")
    deliveries, admin = (f"http://127.0.0.1:{port_of(each)}" for each in held)
    assert (line["url"], line["admin"]) == (deliveries, admin)
    with urllib.request.urlopen(f"{admin}/readyz", timeout=30) as answer:
        assert answer.status == 200
    assert receiver.end() == 0


def test_sockets_that_were_passed_to_another_process_are_left_to_it(
    activate: Callable[..., Activated], held: tuple[socket.socket, socket.socket], wait_for: WaitFor
) -> None:
    """The variables may have come down from a parent that did not remove them."""
    receiver = activate(held, LISTEN_PID=str(os.getpid()))
    line = wait_for(lambda: receiver.said(RECEIVER_READY), "a receiver")
    assert line["url"] != f"http://127.0.0.1:{port_of(held[0])}"


def test_the_admin_port_is_known_by_its_name(
    activate: Callable[..., Activated], held: tuple[socket.socket, socket.socket], wait_for: WaitFor
) -> None:
    """systemd promises no order between the sockets of several units."""
    receiver = activate(held, LISTEN_FDNAMES="admin:hookline")
    line = wait_for(lambda: receiver.said(RECEIVER_READY), "a receiver")
    assert line["admin"] == f"http://127.0.0.1:{port_of(held[0])}"
    assert line["url"] == f"http://127.0.0.1:{port_of(held[1])}"


def test_a_unix_socket_will_do(activate: Callable[..., Activated], folder: Path, wait_for: WaitFor) -> None:
    """For a proxy on the same machine."""
    path = str(folder / "hooks")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        receiver = activate([listener])
        assert wait_for(lambda: receiver.said(RECEIVER_READY), "a receiver")["url"] == f"unix:{path}"
        client.connect(path)
        client.sendall(b"POST /hooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        assert client.recv(100).startswith(b"HTTP/1.1 202 ")
        assert receiver.end() == 0


def test_what_cannot_be_listened_on_is_named(activate: Callable[..., Activated]) -> None:
    """Before anything is received."""
    with socket.socket() as not_listening, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for wrong in (not_listening, datagrams):
            receiver = activate([wrong])
            assert receiver.process.wait(30) == 2
            assert "LISTEN_FDS: descriptor 3 is not a TCP or Unix socket that" in receiver.log.read_text()


def test_more_sockets_than_two_are_refused(
    activate: Callable[..., Activated], held: tuple[socket.socket, socket.socket]
) -> None:
    """One of them would never be accepted from."""
    receiver = activate([*held, held[0]])
    assert receiver.process.wait(30) == 2
    assert "LISTEN_FDS: 1 more than the two sockets" in receiver.log.read_text()


async def test_sighup_with_broken_settings_leaves_the_processes_as_they_are(
    redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """And says what is wrong; mended, it can be repeated."""
    receiver = start_receiver(redis.url, "--processes", "2")
    receiver.wait_for_log(lambda _: len(pids(receiver)) == 2)
    good = receiver.config.read_text()
    receiver.config.write_text(good + "[receiver]\nprot = 1\n")
    receiver.service.signal(signal.SIGHUP)
    line = receiver.wait_for_log(lambda line: "go on as they are" in line["event"])
    assert "receiver.prot" in line["reason"]
    assert (await receiver.post(receiver.delivery())).status == 202
    assert len(pids(receiver)) == 2
    receiver.config.write_text(good)
    receiver.service.signal(signal.SIGHUP)
    receiver.wait_for_log(lambda _: len(pids(receiver)) == 4)
    assert (await receiver.post(receiver.delivery(number=1))).status == 202
    assert receiver.service.stop() == 0


async def test_what_waits_to_be_accepted_is_answered_although_the_receiver_stops(
    redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """It was stopped in the midst of something else, and the signal came before it could look."""
    receiver = start_receiver(redis.url)
    receiver.service.signal(signal.SIGSTOP)
    async with contextlib.AsyncExitStack() as stack:
        waiting = [await stack.enter_async_context(receiver.connection()) for _ in range(50)]
        for number, connection in enumerate(waiting):
            connection.send(receiver.raw(receiver.delivery(number=number)))
            await connection.writer.drain()
        receiver.service.signal(signal.SIGTERM)
        receiver.service.signal(signal.SIGCONT)
        answers = [await connection.answer() for connection in waiting]
    assert {(answer.status, answer.headers["connection"]) for answer in answers} == {(202, "close")}
    assert receiver.service.wait() == 0
    assert receiver.complaints() == []


class Greeting(asyncio.Protocol):
    """Says that the connection is served."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"served")
        transport.close()


async def test_what_came_since_the_last_look_at_the_listener_is_accepted_before_it_closes(
    held: tuple[socket.socket, socket.socket],
) -> None:
    """Closing it would reset them."""
    listener = held[0]
    address = listener.getsockname()
    listening = await asyncio.get_running_loop().create_server(Greeting, sock=listener)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(20)]
        await stop_accepting(listening, listener, Greeting)
        greetings = [await asyncio.to_thread(client.recv, 100) for client in clients]
    assert greetings == [b"served"] * 20
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


async def test_a_request_on_an_idle_connection_is_answered_by_a_stopping_receiver(
    redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """As the last one; those that were sent together with it too, and a connection not used before."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__LINGER_SECONDS="5")
    raw = [receiver.raw(receiver.delivery(number=number)) for number in range(6)]
    async with (
        receiver.connection() as idle,
        receiver.connection() as unused,
        receiver.connection() as pipelining,
        receiver.connection() as slow,
    ):
        for number, connection in enumerate((idle, pipelining)):
            connection.send(raw[number])
            assert "connection" not in (await connection.answer()).headers
        slow.send(raw[5][:20])
        receiver.service.signal(signal.SIGTERM)
        receiver.wait_for_log(lambda line: line["event"] == "receiver is stopping")
        idle.send(raw[2])
        unused.send(raw[3])
        slow.send(raw[5][20:])
        for connection in (idle, unused, slow):
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (202, "close")
            assert await connection.reader.read() == b""
        pipelining.send(raw[3] + raw[4])
        first, last = await pipelining.answer(), await pipelining.answer()
        assert [first.json_object()["status"], last.json_object()["status"]] == ["duplicate", "queued"]
        assert "connection" not in first.headers
        assert last.headers["connection"] == "close"
    assert receiver.service.wait() == 0
    assert receiver.complaints() == []


async def test_a_quiet_connection_sees_its_end_and_no_reset(
    redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """Even where the client sends once more, having overlooked the end."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__LINGER_SECONDS="0.3")
    async with receiver.connection() as quiet:
        receiver.service.signal(signal.SIGTERM)
        assert await quiet.reader.read() == b""
        quiet.send(receiver.raw(receiver.delivery()))
        await quiet.writer.drain()
        assert receiver.service.wait() == 0
    assert receiver.complaints() == []


async def test_a_second_signal_ends_it_at_once(redis: EmbeddedRedis, start_receiver: Start) -> None:
    """Whatever is under way."""
    receiver = start_receiver(
        redis.url,
        HOOKLINE_RECEIVER__SHUTDOWN_SECONDS="600",
        HOOKLINE_RECEIVER__BODY_TIMEOUT_SECONDS="600",
    )
    async with receiver.connection() as half_a_body:
        half_a_body.send(receiver.raw(receiver.delivery())[:-1])
        receiver.service.signal(signal.SIGTERM)
        receiver.wait_for_log(lambda line: line["event"] == "receiver is stopping")
        async with asyncio.timeout(30):
            while not stopped(receiver):  # one that comes too soon counts as the first
                receiver.service.signal(signal.SIGTERM)
                await asyncio.sleep(0.05)
    receiver.service.wait()
    assert receiver.complaints() == []
