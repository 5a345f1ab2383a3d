"""What the operating system tells: the machine, CPU seconds and memory of processes, what was busy."""

from __future__ import annotations

import os
import platform
import statistics
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_FSYNCS = 100


NEARLY = 0.9
"""A core, or the machine, that is busy for this part of the time has no more to give."""


def describe(folder: Path) -> dict[str, str]:
    """The machine, and the disk that `folder` is on."""
    cores = os.cpu_count() or 1
    return {
        "processor": f"{_processor()}, {cores} cores",
        "memory": f"{_memory_bytes() / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "one fsync of 4 KiB": f"{fsync_ms(folder):.2f} ms (median of {_FSYNCS})",
    }


def fsync_ms(folder: Path) -> float:
    """How long one append of 4 KiB takes to be on this folder's disk, in the median."""
    probe = folder / "fsync-probe"
    took = []
    with probe.open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    probe.unlink()
    return statistics.median(took) * 1000


class CpuClock:
    """CPU seconds of some processes and all that they started, since the clock was made.

    A child that was waited for is counted by its parent's own entry; one that still runs, by its own.
    """

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._began = cpu_seconds(*pids)

    def seconds(self) -> float:
        """So far."""
        return cpu_seconds(*self._pids) - self._began


def cpu_seconds(*pids: int) -> float:
    """User and system time of these processes and all their descendants, living or waited for."""
    ticks = 0
    for pid in tree(*pids):
        stat = _stat(pid)
        if stat:
            ticks += sum(int(value) for value in stat[11:15])  # utime, stime, cutime, cstime
    return ticks / TICKS_PER_SECOND


def tree(*pids: int) -> list[int]:
    """These processes and all their living descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, unseen = [], list(pids)
    while unseen:
        pid = unseen.pop()
        found.append(pid)
        unseen += children.get(pid, ())
    return found


class BusyClock:
    """How much of the whole machine's CPU time was used since the clock was made, from 0 to 1."""

    def __init__(self) -> None:
        self._busy, self._all = _machine_ticks()

    def share(self) -> float:
        """So far. A hypervisor's stolen time counts as busy: nobody here could use it."""
        busy, total = _machine_ticks()
        return (busy - self._busy) / max(1, total - self._all)


def bound_by(busy: float, cores_used: Mapping[str, float]) -> str:
    """What a measurement was limited by, in words.

    `busy` is the machine's share that was used; `cores_used` says how many cores each one took that does
    its work one piece after the other.
    """
    full = [f"{name} ({used:.1f} cores)" for name, used in cores_used.items() if used >= NEARLY]
    if busy >= NEARLY:
        return f"the machine's {os.cpu_count()} cores ({busy:.0%} busy)"
    if full:
        return " and ".join(full)
    return f"no core: {1 - busy:.0%} of the machine was idle"


def peak_memory_bytes(pid: int) -> int:
    """The most that this process has had in memory so far (VmHWM); 0 when it is gone."""
    return _status_bytes(pid, "VmHWM:")


class MemoryWatch:
    """The peak memory of a process and of the largest of its descendants, looked at while `with` lasts."""

    INTERVAL_SECONDS = 0.05

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.own_bytes = 0
        self.largest_child_bytes = 0

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.own_bytes = max(self.own_bytes, peak_memory_bytes(self._pid))
            children = [peak_memory_bytes(pid) for pid in tree(self._pid)[1:]]
            self.largest_child_bytes = max([self.largest_child_bytes, *children])
            if self._over.wait(self.INTERVAL_SECONDS):
                return


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may itself hold spaces; empty when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status_bytes(pid: int, field: str) -> int:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)


def _machine_ticks() -> tuple[int, int]:
    values = [int(value) for value in _first((PROC / "stat").read_text().splitlines(), "cpu ").split()[:8]]
    idle = values[3] + values[4]  # idle and waiting for the disk
    return sum(values) - idle, sum(values)


def _processor() -> str:
    lines = (PROC / "cpuinfo").read_text().splitlines()
    return _first(lines, "model name").lstrip("\t: ") or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _first(lines: Iterable[str], start: str) -> str:
    return next((line.removeprefix(start) for line in lines if line.startswith(start)), "")
