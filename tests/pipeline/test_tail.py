"""`hookline tail` and `hookline events` on a Redis in which something happens."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookline.connections import connect, connect_async
from hookline.embedded import EmbeddedRedis
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.ledger import Attempt, Run
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

HOOKLINE = [sys.executable, "-c", "from hookline.cli import main; main()"]
PATIENCE_SECONDS = 60.0


class Place:
    """An embedded Redis, what comes into it, and commands that look at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = EmbeddedRedis(folder)
        self.redis.start()
        self.store = Store(connect(RedisSettings(url=self.redis.url)))
        self._environment = {**os.environ, "HOOKLINE_REDIS__URL": self.redis.url, "COLUMNS": "200"}

    async def come(self, source: str, body: bytes = b"{}", at_ms: int | None = None) -> str:
        """An event is received."""
        at = at_ms or now_ms()
        new = new_event_id(at)
        client = connect_async(RedisSettings(url=self.redis.url))
        try:
            await CommitScript(client, "hookline")(
                [RawEvent(new, source, "esa", at, new, 60_000, b"[]", body)]
            )
        finally:
            await client.aclose()
        return new

    def finish(self, event_id: str, state: str = "done") -> None:
        """A worker reads and runs it."""
        run = Run("hello.greet", "done", [Attempt(1, 3)])
        self.store.take("me", 10_000, [event_id], execution="job:me")
        change = Change(event_id, {"run:hello.greet": run.to_json()}, state, "esa.post_create")
        assert self.store.record("me", [change]) == []

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        return subprocess.run(
            [*HOOKLINE, *arguments], cwd=self.folder, env=self._environment, capture_output=True, text=True
        )

    def tail(self, *arguments: str) -> Tail:
        """`hookline tail`, which runs on."""
        return Tail(self.folder, self._environment, *arguments)


class Tail:
    """A running `hookline tail`, and what it has printed so far."""

    def __init__(self, folder: Path, environment: dict[str, str], *arguments: str) -> None:
        self.out = self.err = ""
        self._process = subprocess.Popen(
            [*HOOKLINE, "tail", *arguments],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [threading.Thread(target=self._read, args=(each,)) for each in ("out", "err")]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = {"out": self._process.stdout, "err": self._process.stderr}[name]
        assert stream is not None
        with stream:
            for line in stream:
                setattr(self, name, getattr(self, name) + line)

    def wait_for(self, pattern: str) -> None:
        """Until this is printed."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, self.out + self.err):
            if time.monotonic() > until or self._process.poll() is not None:
                pytest.fail(f"{pattern!r} did not come; it printed:\n{self.out}{self.err}")
            time.sleep(0.02)

    def interrupt(self) -> int:
        """Ctrl-C; gives the exit status."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, and all that it printed."""
        status = self._process.wait(PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join()
        return status

    def kill(self) -> None:
        """End it, however the test left it."""
        self._process.kill()
        self.wait()


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of its own."""
    with tempfile.TemporaryDirectory(prefix="hl-") as folder:
        made = Place(Path(folder))
        yield made
        made.redis.stop()


async def _begun(place: Place, tail: Tail) -> None:
    """Once it shows what comes: nothing else tells that its first look is over."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not tail.out and time.monotonic() < until:
        await place.come("begin", b'{"here": 1}')
        await asyncio.sleep(0.1)


async def test_tail_prints_events_as_they_come_and_end_until_ctrl_c(place: Place) -> None:
    """A line for each change, with the id to ask for; it exits with status 0 and says no more."""
    tail = place.tail()
    try:
        await _begun(place, tail)
        event = await place.come("team")
        tail.wait_for(rf"\d\d:\d\d:\d\d  {event}  team +queued")
        place.finish(event)
        tail.wait_for(rf"{event}  esa\.post_create +done +hello\.greet ok 3 ms")
        assert (tail.interrupt(), tail.err) == (0, "")
        assert tail.out.count(event) == 2
    finally:
        tail.kill()


async def test_tail_can_be_filtered_and_read_by_programs(place: Place) -> None:
    """One JSON object a line, and nothing of what is not meant."""
    tail = place.tail("--json", "--text", "HERE", "--state", "queued")
    try:
        await _begun(place, tail)
        silent = [await place.come("team"), await place.come("team", b'{"here": 2}')]
        place.finish(silent[1])
        event = await place.come("team", b'{"here": 3}')
        tail.wait_for(event)
        assert tail.interrupt() == 0
    finally:
        tail.kill()
    rows = [json.loads(line) for line in tail.out.splitlines()]
    assert {row["state"] for row in rows} == {"queued"}
    assert silent[0] not in {row["id"] for row in rows}
    assert rows[-1] | {"received_at_ms": 0} == {
        "id": event,
        "source": "team",
        "type": "",
        "state": "queued",
        "received_at_ms": 0,
        "repeats": 0,
        "replays": 0,
        "error": "",
        "runs": {},
    }


async def test_tail_waits_for_a_redis_that_is_away(place: Place) -> None:
    """It says so once, and goes on."""
    tail = place.tail()
    try:
        await _begun(place, tail)
        place.redis.stop()
        tail.wait_for("redis is away")
        place.redis.start()
        tail.wait_for("redis is back")
        event = await place.come("team")
        tail.wait_for(event)
        assert tail.interrupt() == 0
    finally:
        tail.kill()
    assert [line.partition(",")[0] for line in tail.err.splitlines()] == ["redis is away", "redis is back"]


def test_tail_without_a_redis_ends_and_says_so(place: Place) -> None:
    """It may be another one that was meant."""
    place.redis.stop()
    tail = place.tail()
    try:
        assert tail.wait() == 2
    finally:
        tail.kill()
    assert "redis does not answer" in tail.err
    assert "Traceback" not in tail.err


async def test_events_are_listed_page_by_page_for_programs(place: Place) -> None:
    """The last id of a page is where the next one begins."""
    ids = [await place.come("team", b'{"n": "Page"}', at_ms=1_790_000_000_000 + n) for n in range(5)]
    other = await place.come("team", at_ms=1_790_000_000_009)
    listed: list[str] = []
    while True:
        after = ["--after", listed[-1]] if listed else []
        run = place.run("events", "--json", "--limit", "3", "--text", "page", *after)
        assert (run.returncode, run.stderr) == (0, "")
        if not run.stdout:
            break
        listed += [json.loads(line)["id"] for line in run.stdout.splitlines()]
    assert listed == ids[::-1]
    assert other in place.run("events", "--id", other[:14]).stdout
    place.finish(other)
    assert place.run("events", "--action", "hello.greet", "--json").stdout.count("\n") == 1
    assert "'x' is no place to go on from" in place.run("events", "--after", "x").stderr
