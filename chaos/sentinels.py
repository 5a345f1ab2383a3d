"""A primary, its replicas and the sentinels that watch them: real processes on ports of their own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos.node import HOST, Node
from hookline.redis_server import find_server

SERVICE = "hookline"
PATIENCE_SECONDS = 90.0
"""For a machine that is so busy that the sentinels distrust their clocks, which takes them 30 s."""


class SentinelSet:
    """A context manager; `url` goes into `redis.url`. Without sentinels it is a primary and its replicas.

    A primary that is away for `down_after_ms` is replaced by a replica. Killed or frozen nodes come back by
    `restart`, and `heal` brings back all of them and waits until the set is whole again.
    """

    def __init__(
        self,
        *,
        server: Path | None = None,
        replicas: int = 2,
        sentinels: int = 3,
        down_after_ms: int = 1_000,
        options: Sequence[str] = (),
    ) -> None:
        """`options` are lines for each redis-server's configuration."""
        program = find_server(server).path
        self.folder = Path(tempfile.mkdtemp(prefix="hl-sentinels-"))
        ports = iter(_free_ports(1 + replicas + sentinels))
        self.servers = [Node(program, self.folder, f"redis-{n}", next(ports)) for n in range(1 + replicas)]
        self.sentinels = [Node(program, self.folder, f"sentinel-{n}", next(ports)) for n in range(sentinels)]
        self._down_after_ms, self._options = down_after_ms, options

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The sentinels, as `redis.url` names them, or the primary where there are none."""
        if not self.sentinels:
            return self.primary().url
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    def start(self) -> None:
        """Start all of them, and wait until the set is whole."""
        first = self.servers[0]
        for server in self.servers:
            server.config.write_text(
                "\n".join(_server_lines(server, None if server is first else first, self._options))
            )
            server.start()
        _wait_until(lambda: self._has_all_replicas(first), "replicas in step")
        for sentinel in self.sentinels:
            sentinel.config.write_text("\n".join(self._sentinel_lines(sentinel, first)))
            sentinel.start("--sentinel")
        self.wait_until_whole()

    def stop(self) -> None:
        """End all of them and remove what they wrote."""
        for node in [*self.sentinels, *self.servers]:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def primary(self) -> Node:
        """The primary, as most of the sentinels that answer see it now; without any, who says so itself."""
        if not self.sentinels:
            return next(server for server in self.servers if server.info().get("role") == "master")
        seen = [int(state["port"]) for state in self._states() if state]
        if not seen:
            raise RuntimeError("no sentinel answers")
        port = max(seen, key=seen.count)
        return next(server for server in self.servers if server.port == port)

    def replicas(self) -> list[Node]:
        """The servers that are not the primary."""
        primary = self.primary()
        return [server for server in self.servers if server is not primary]

    def kill_primary(self) -> Node:
        """Kill the primary; gives it, for `restart` and `wait_for_failover`."""
        primary = self.primary()
        primary.kill()
        return primary

    def wait_for_failover(self, old: Node) -> Node:
        """Wait until another than `old` is the primary and says so itself; gives it."""
        _wait_until(
            lambda: self.primary() is not old and self.primary().info().get("role") == "master",
            "a new primary",
        )
        return self.primary()

    def restart(self, node: Node) -> None:
        """Start a killed node again, or let a frozen one go on."""
        if node.runs:
            node.thaw()
        else:
            node.start(*(["--sentinel"] if node in self.sentinels else []))

    def heal(self) -> None:
        """Bring back whoever is away, and wait until the set is whole."""
        for node in [*self.servers, *self.sentinels]:
            self.restart(node)
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Until every sentinel knows the others, and sees one primary with all of its replicas."""
        _wait_until(self._is_whole, "a set that is whole")

    def _is_whole(self) -> bool:
        states = self._states()
        return (
            all(state.get("num-other-sentinels") == len(self.sentinels) - 1 for state in states)
            and all(state.get("num-slaves") == len(self.servers) - 1 for state in states)
            and all(state.get("flags") == "master" for state in states)
            and len({state["port"] for state in states}) <= 1
            and self._has_all_replicas(self.primary())
        )

    def _has_all_replicas(self, primary: Node) -> bool:
        told = primary.info()
        states = [told.get(f"slave{number}", {}).get("state") for number in range(len(self.servers) - 1)]
        return told.get("role") == "master" and set(states) <= {"online"}

    def _states(self) -> list[dict[str, Any]]:
        """What each sentinel says of the primary; empty for one that doesn't answer."""
        return [sentinel.watched(SERVICE) for sentinel in self.sentinels]

    def _sentinel_lines(self, sentinel: Node, primary: Node) -> list[str]:
        quorum = len(self.sentinels) // 2 + 1
        return [
            f"port {sentinel.port}",
            f"bind {HOST}",
            f"dir {sentinel.folder}",
            f"sentinel monitor {SERVICE} {HOST} {primary.port} {quorum}",
            f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}",
            f"sentinel failover-timeout {SERVICE} {3 * self._down_after_ms}",
            f"sentinel parallel-syncs {SERVICE} {len(self.servers)}",
            "",
        ]


def _server_lines(server: Node, primary: Node | None, options: Sequence[str]) -> list[str]:
    return [
        f"port {server.port}",
        f"bind {HOST}",
        f"dir {server.folder}",
        'save ""',
        "appendonly yes",
        "appendfsync always",
        "maxmemory-policy noeviction",
        "repl-diskless-sync-delay 0",
        "repl-ping-replica-period 1",
        *options,
        *([f"replicaof {HOST} {primary.port}"] if primary else []),
        "",
    ]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come about within {PATIENCE_SECONDS:g} s")
        time.sleep(0.05)
