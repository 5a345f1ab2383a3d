"""arq. `fill N`, then `work`: 50 jobs at a time on uvloop, no results kept.

Its worker asks Redis for new jobs every half second, and for at most five times its concurrency; with
these two defaults the pauses alone would hold it below 500 jobs a second, so it asks for more at once and
pauses less.
"""

import asyncio
import os
import sys

import uvloop
from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker
from bodies import bodies
from marks import mark
from note import parse

CONCURRENCY = 50
SETTINGS = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])


async def parse_note(_context: dict, body: bytes) -> None:
    """Read the note, and do nothing with it."""
    parse(body)
    mark()


async def fill(count: int) -> None:
    """Enqueue so many jobs."""
    pool = await create_pool(SETTINGS)
    waiting = bodies(count)

    async def take_turns() -> None:
        for body in waiting:
            await pool.enqueue_job("parse_note", body)

    await asyncio.gather(*(take_turns() for _ in range(32)))
    await pool.aclose()


if sys.argv[1] == "fill":
    uvloop.run(fill(int(sys.argv[2])))
else:
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    Worker(
        [parse_note],
        redis_settings=SETTINGS,
        max_jobs=CONCURRENCY,
        queue_read_limit=1000,
        poll_delay=0.01,
        keep_result=0,
        log_results=False,
    ).run()
