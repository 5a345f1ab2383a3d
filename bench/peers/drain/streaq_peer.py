"""streaQ. `fill N`, then `work`: on uvloop, its Redis client's checks off, as in its own bench."""

import itertools
import os
import sys

import anyio
import coredis
from bodies import bodies
from marks import mark
from note import parse
from streaq import Worker

CONCURRENCY = 16
AT_ONCE = 1000

coredis.Config.optimized = True
worker = Worker(
    redis_url=os.environ["BENCH_REDIS_URL"], concurrency=CONCURRENCY, anyio_kwargs={"use_uvloop": True}
)


@worker.task(ttl=0, silent=True)
async def parse_note(body: bytes) -> None:
    """Read the note, and do nothing with it."""
    parse(body)
    mark()


async def fill(count: int) -> None:
    """Enqueue so many tasks."""
    waiting = bodies(count)
    async with worker:
        while group := list(itertools.islice(waiting, AT_ONCE)):
            await worker.enqueue_many([parse_note.enqueue(body) for body in group])


if sys.argv[1] == "fill":
    anyio.run(fill, int(sys.argv[2]))
else:
    worker.run_sync()
