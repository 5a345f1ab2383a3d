"""What a group and an event cost, in counts that no noisy machine changes: round trips, commands, jobs."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hookline.keys import OPEN_KEY, RECONCILER_KEY
from hookline.service import Service
from hookline.workbench import WORKER_READY

if TYPE_CHECKING:
    from conftest import Pipeline

GROUPS, GROUP_EVENTS = 40, 64
NOTHING_TO_DO = """
@action(misskey.Note)
async def look(event):
    pass
"""


class Turnstile:
    """Stands between a client and Redis, and counts how often the client spoke and waited for an answer."""

    def __init__(self, folder: Path, redis_socket: str) -> None:
        self.path = folder / "turnstile.sock"
        self.round_trips = 0
        self._redis_socket = redis_socket
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Turnstile:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener is shut down
            while True:
                client, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as redis:
            redis.connect(self._redis_socket)
            answered = threading.Event()
            back = threading.Thread(target=self._pass_on, args=(redis, client, answered.set))
            back.start()
            answered.set()
            self._pass_on(client, redis, lambda: self._count(answered))
            back.join()

    def _count(self, answered: threading.Event) -> None:
        if answered.is_set():  # else it is the rest of what was too long for one piece
            answered.clear()
            self.round_trips += 1

    def _pass_on(self, source: socket.socket, sink: socket.socket, look: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):  # either end may go first
            while chunk := source.recv(1 << 20):
                look()
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)


def calls(pipeline: Pipeline) -> dict[str, int]:
    """How often Redis has executed each command, those inside scripts included."""
    stats = pipeline.store.redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): value["calls"] for name, value in stats.items()}


@pytest.mark.parametrize("options", [(), ("--no-fork",)], ids=["forking", "no fork"])
async def test_a_group_costs_few_round_trips_and_an_event_few_commands(
    pipeline: Pipeline, options: tuple[str, ...]
) -> None:
    """However many there are: what RQ and the ledger need is paid for once a group."""
    pipeline.plugin("look", NOTHING_TO_DO)
    pipeline.start_receiver()
    events = await pipeline.post_many("note", GROUPS * GROUP_EVENTS)
    pipeline.enqueue_in_groups(events, GROUP_EVENTS)
    pipeline.store.redis.set(RECONCILER_KEY, "another worker's")  # the chores are done by the clock
    pipeline.store.redis.config_resetstat()

    with Turnstile(pipeline.folder, pipeline.redis.url.removeprefix("unix://")) as turnstile:
        environment = pipeline.environment() | {"HOOKLINE_REDIS__URL": f"unix://{turnstile.path}"}
        worker = Service(
            "hookline_worker",
            options,
            environment=environment,
            ready=WORKER_READY,
            on_log=pipeline.log.append,
        )
        pipeline.services.append(worker)
        pipeline.wait_for(lambda: pipeline.store.redis.scard(OPEN_KEY) == 0, "the end of it all")
        counted = calls(pipeline)
        assert worker.stop() == 0

    assert turnstile.round_trips / GROUPS < 9
    assert counted["evalsha"] / GROUPS < 4
    looks = ("scard", "zcard")  # by the clock too, and the first one is this test's own
    assert sum(number for name, number in counted.items() if name not in looks) / len(events) < 8


async def test_under_load_a_job_names_many_events(pipeline: Pipeline) -> None:
    """A thousand make two hundred jobs at most, which is what the workers' share of RQ's cost hangs on."""
    pipeline.start_receiver()
    await pipeline.post_many("note", 1000)
    assert pipeline.store.waiting_jobs() <= 200
    counted = calls(pipeline)
    assert counted["evalsha"] + counted.get("eval", 0) <= 225
    assert sum(counted.values()) / 1000 < 10
