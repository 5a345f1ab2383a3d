"""The times that jobs noted while they ran (`peers/drain/marks.py`), read from outside."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from bench.contest import NotMeasuredError
from bench.install import PEERS
from bench.processes import Process

JOBS = PEERS / "drain"
"""Where the jobs' side of it is: to be on the path of whatever runs jobs."""
_BYTES = 8
_PATIENCE_SECONDS = 120.0


class Marks:
    """One measurement's file of marks."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "marks"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs for its jobs to mark the time."""
        path = os.pathsep.join(filter(None, (str(JOBS), os.environ.get("PYTHONPATH"))))
        return {"BENCH_MARKS": str(self._file), "PYTHONPATH": path}

    def count(self) -> int:
        """How many there are."""
        try:
            return self._file.stat().st_size // _BYTES
        except FileNotFoundError:
            return 0

    def wait_for(self, count: int, *processes: Process) -> None:
        """Wait until there are so many; NotMeasuredError when a process ends, or nothing comes any more."""
        seen, until = -1, 0.0
        while (now := self.count()) < count:
            for process in processes:
                process.check()
            if now > seen:
                seen, until = now, time.monotonic() + _PATIENCE_SECONDS
            if time.monotonic() > until:
                raise NotMeasuredError(
                    f"{now} of {count} were done, and then none in {_PATIENCE_SECONDS:g} s"
                )
            time.sleep(0.002)

    def times(self) -> list[float]:
        """All of them in order, as seconds of the day's clock."""
        return sorted(value for (value,) in struct.iter_unpack("<d", self._file.read_bytes()))
