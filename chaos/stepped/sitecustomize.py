"""For processes by a stepped clock, where libfaketime 0.9.10 breaks `time.sleep`.

Told to leave monotonic clocks alone, it refuses a sleep that is to last until a time of such a clock, as
Python's is. Waiting for nothing to become readable is as good.
"""

from __future__ import annotations

import select
import time


def _sleep(seconds: float, /) -> None:
    select.select((), (), (), seconds)


time.sleep = _sleep  # type: ignore[assignment]  # floats are enough for everybody here
