"""SAQ. `fill N`, then `work`: 50 jobs at a time, on uvloop and with hiredis, no results kept."""

import asyncio
import os
import sys

import uvloop
from bodies import bodies
from marks import mark
from note import parse
from saq import Queue, Worker

CONCURRENCY = 50


async def parse_note(_context: dict, *, body: str) -> None:
    """Read the note, and do nothing with it."""
    parse(body)
    mark()


async def fill(count: int) -> None:
    """Enqueue so many jobs."""
    queue = Queue.from_url(os.environ["BENCH_REDIS_URL"])
    waiting = bodies(count)

    async def take_turns() -> None:
        for body in waiting:
            await queue.enqueue("parse_note", body=body.decode())

    await asyncio.gather(*(take_turns() for _ in range(32)))
    await queue.disconnect()


async def work() -> None:
    """Work until told to stop."""
    queue = Queue.from_url(os.environ["BENCH_REDIS_URL"])
    await Worker(queue, functions=[parse_note], concurrency=CONCURRENCY).start()


uvloop.run(fill(int(sys.argv[2])) if sys.argv[1] == "fill" else work())
