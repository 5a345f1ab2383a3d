"""The one thing that every job does: note the time, in a file that the bench watches from outside.

Eight bytes appended by one system call, which costs about 2 microseconds and is the same for everybody. It
works across forks and threads, and tells nobody's queue anything.
"""

import os
import struct
import time

_PACK = struct.Struct("<d").pack
_FILE = os.open(os.environ["BENCH_MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def mark() -> None:
    """Append the time of day in seconds."""
    os.write(_FILE, _PACK(time.time()))
