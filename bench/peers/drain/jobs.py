"""RQ's job functions, where the worker imports them."""

import time

from marks import mark
from note import parse

SLOW_SECONDS = 0.1


def parse_note(body: bytes) -> None:
    """Read the note, and do nothing with it."""
    parse(body)
    mark()


def wait(body: bytes) -> None:
    """Read the note, and take a while; marked when it begins and when it ends."""
    parse(body)
    mark()
    time.sleep(SLOW_SECONDS)
    mark()


def handle(_provider: str, body: bytes) -> None:
    """What the stock receiver enqueues: marked at its first line."""
    mark()
    parse(body)
