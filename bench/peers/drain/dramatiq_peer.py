"""Dramatiq over Redis. `fill N`; its own command line works: one process, its 8 threads."""

import os
import sys

import dramatiq
from bodies import bodies
from dramatiq.brokers.redis import RedisBroker
from marks import mark
from note import parse

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS_URL"]))


@dramatiq.actor
def parse_note(body: str) -> None:
    """Read the note, and do nothing with it."""
    parse(body)
    mark()


if __name__ == "__main__":
    for each in bodies(int(sys.argv[2])):
        parse_note.send(each.decode())
