"""The bodies that a peer is filled with: the lines of a file, as often as it takes."""

import itertools
import os
from collections.abc import Iterator


def bodies(count: int) -> Iterator[bytes]:
    """So many bodies, byte for byte as they were sent."""
    with open(os.environ["BENCH_BODIES"], "rb") as file:
        lines = file.read().splitlines()
    return itertools.islice(itertools.cycle(lines), count)
