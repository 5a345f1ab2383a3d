"""Many events are replayed: by workers that come and go, beside live events, and with a person watching."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hookline.index import Filter
from hookline.keys import RECONCILER_KEY, REPLAY_PREFIX
from hookline.queue import GROUP_EVENTS
from hookline.replays import ask, bulk, bulks

if TYPE_CHECKING:
    from conftest import Pipeline

COUNT = 20 * GROUP_EVENTS
TELL = """
@action("*")
async def note(event, ctx):
    tell(("again " if ctx.is_replay else "first ") + ctx.event_id)
"""
SLOW = """
import asyncio, os

@action("*")
async def note(event, ctx):
    tell(("again " if ctx.is_replay else "first ") + ctx.event_id)
    while ctx.is_replay and not os.path.exists({gate!r}):
        await asyncio.sleep(0.05)
"""


def told(pipeline: Pipeline, how: str) -> Counter[str]:
    """How often each event ran so: `first`, or `again` as a replay."""
    return Counter(line.split()[1] for line in pipeline.told() if line.startswith(how))


def state(pipeline: Pipeline, bulk_id: str) -> str:
    """The bulk replay's."""
    found = bulk(pipeline.store, bulk_id)
    assert found
    return found.state


async def test_each_event_is_replayed_once_though_a_worker_is_killed(pipeline: Pipeline) -> None:
    """In the middle, with its child: another goes on, and only what it had under way may run twice."""
    pipeline.plugin("all", TELL)
    pipeline.start_receiver()
    first = pipeline.start_worker()
    ids = await pipeline.post_many("note", COUNT)
    pipeline.wait_until_finished(COUNT)

    asked = ask(pipeline.store, Filter(source="misskey"), per_second=200)
    pipeline.wait_for(lambda: len(told(pipeline, "again")) > 50, "the first part of the replay")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    found = bulk(pipeline.store, asked.id)
    assert found
    assert 0 < found.done < COUNT
    pipeline.store.redis.hset(REPLAY_PREFIX + asked.id, "per_second", "")  # let the rest come quickly
    pipeline.store.redis.delete(RECONCILER_KEY)  # which would take 10 s
    pipeline.start_worker()
    pipeline.wait_for(lambda: state(pipeline, asked.id) == "done", "the end of the bulk replay")
    pipeline.wait_until_finished(COUNT)

    assert set(told(pipeline, "again")) == set(ids)
    stored = [pipeline.store.fields(event_id) for event_id in ids]
    assert {(fields["replays"], fields["replay"]) for fields in stored} == {(b"1", asked.id.encode())}
    assert {bool([name for name in fields if name.startswith("past:1:")]) for fields in stored} == {True}
    assert set(told(pipeline, "first").values()) == {1}
    found = bulk(pipeline.store, asked.id)
    assert found
    assert (found.done, found.skipped, found.left) == (COUNT, 0, 0)


async def test_live_events_run_while_a_bulk_replay_does_not_get_on(pipeline: Pipeline) -> None:
    """The replayed runs end only after the live event is done, so nothing live can have waited for them."""
    gate = pipeline.folder / "gate"
    pipeline.configure("max_children = 4\nslice_seconds = 0.1")
    pipeline.plugin("all", SLOW.format(gate=str(gate)))
    pipeline.start_receiver()
    pipeline.start_worker()
    await pipeline.post_many("note", COUNT)
    pipeline.wait_until_finished(COUNT)
    asked = ask(pipeline.store, Filter())
    pipeline.wait_for(lambda: len(told(pipeline, "again")) == 3 * GROUP_EVENTS, "three quarters of a worker")

    live = (await pipeline.post("misskey", "mention")).body["id"]
    pipeline.wait_for(lambda: pipeline.state(live) == "done", "the live event")

    assert len(told(pipeline, "again")) == 3 * GROUP_EVENTS
    gate.touch()
    pipeline.wait_for(lambda: state(pipeline, asked.id) == "done", "the end of the bulk replay")
    pipeline.wait_until_finished(COUNT + 1)
    assert set(told(pipeline, "again").values()) == {1}


async def test_a_person_is_asked_watches_and_leaves(pipeline: Pipeline) -> None:
    """More than a hundred aren't replayed without a yes; Ctrl-C leaves it to the workers."""
    pipeline.plugin("all", TELL)
    pipeline.start_receiver()
    pipeline.start_worker()
    await pipeline.post_many("note", 128)
    pipeline.wait_until_finished(128)

    with _at_a_terminal(pipeline, "replay", "--state", "done") as screen:
        screen.read_until(r"replay 128 events, every action that matches\? \[y/N\]")
        screen.type("n\n")
        screen.read_until("nothing was replayed")
    assert bulks(pipeline.store) == []

    with _at_a_terminal(pipeline, "replay", "--state", "done", "--per-second", "5") as screen:
        screen.read_until(r"\[y/N\]")
        screen.type("y\n")
        screen.read_until("replaying 128 events as [0-9a-f]{8}")
        screen.read_until(r"running.*[1-9]\d*/128")
        screen.type("\x03")
        screen.read_until("it goes on in the workers")
    (asked,) = bulks(pipeline.store)
    assert asked.state == "running"

    with _at_a_terminal(pipeline, "purge", "--state", "done") as screen:
        screen.read_until(r"purge \d+ events for good\? \[y/N\]")
        screen.type("\n")
        screen.read_until("nothing was purged")
    assert len(pipeline.event_ids()) == 128


class _Screen:
    """A command at a terminal of 80 columns."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._unread = descriptor, ""

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def read_until(self, pattern: str) -> None:
        """Wait until this is there; the end of the command is the end of waiting."""
        while not (found := re.search(pattern, self._unread, re.DOTALL)):
            self._unread += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._descriptor, 65536).decode())
        self._unread = self._unread[found.end() :]


@contextmanager
def _at_a_terminal(pipeline: Pipeline, *arguments: str) -> Iterator[_Screen]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", "from hookline.cli import main; main()", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **pipeline.environment(), "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield _Screen(ours)
        process.wait()
    finally:
        process.kill()
        process.wait()
        os.close(ours)
