"""The load generator: wrk, which sends requests that were signed beforehand, each of them once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contest import NotMeasuredError
from bench.deliveries import write_requests

SCRIPT = Path(__file__).with_name("load.lua")
_LONGEST = "10m"
_RESULT = "RESULT "


@dataclass(frozen=True, slots=True)
class Requests:
    """A file of signed requests; `starts` says at which byte each begins."""

    file: Path
    starts: Sequence[int]

    @classmethod
    def write(cls, file: Path, count: int, make: Callable[[int], bytes]) -> Requests:
        """Sign so many, by their numbers."""
        return cls(file, write_requests(file, count, make))


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load."""

    answered: int
    seconds: float
    p50_ms: float
    p99_ms: float
    repeated: int
    """How often the file was begun anew: more than 0 means that deliveries were not distinct any more."""
    cpu_share: float
    """Of one core, by wrk itself: near 1 means that wrk was the limit, not what it measured."""

    @property
    def per_second(self) -> float:
        """Accepted deliveries per second."""
        return self.answered / self.seconds


def load(
    wrk: Path, url: str, requests: Requests, *, connections: int, seconds: float, first: int = 0
) -> Load:
    """Send the requests from number `first` on for so long; NotMeasuredError when one was refused."""
    first_byte = requests.starts[first % len(requests.starts)]
    process = _start(wrk, url, connections, [requests.file, str(first_byte)])
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return _finish(process)


def load_all(wrk: Path, url: str, requests: Requests, *, connections: int) -> Load:
    """Send every request once, and end when each was answered as new."""
    process = _start(wrk, url, connections, [requests.file, "0", "once", str(len(requests.starts))])
    if process.stderr is not None:
        process.stderr.readline()  # the script says when it has all answers
    return _finish(process)


def _start(wrk: Path, url: str, connections: int, words: list[str | Path]) -> subprocess.Popen[str]:
    # One thread keeps a core busy at several times what any contestant answers; two would take from them.
    return subprocess.Popen(  # noqa: S603 (the wrk that the bench has found)
        [
            *(wrk, "--threads", "1", "--connections", str(connections), "--duration", _LONGEST),
            *("--timeout", "30s", "--latency", "--script", SCRIPT, url, "--", *words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen[str]) -> Load:
    """Its result. It is told to stop: by itself it would sleep until its longest time is over."""
    process.send_signal(signal.SIGINT)
    out = process.stdout.read() if process.stdout else ""
    said = process.stderr.read() if process.stderr else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    line = next((line for line in out.splitlines() if line.startswith(_RESULT)), "")
    if not line:
        raise NotMeasuredError(f"wrk gave no result:\n{said}{out}")
    told = json.loads(line.removeprefix(_RESULT))
    if told["refused"] or told["errors"]:
        raise NotMeasuredError(f"{told['refused']} refused, {told['errors']} broken of {told['answered']}")
    return Load(
        answered=told["answered"],
        seconds=told["seconds"],
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        repeated=told["repeated"],
        cpu_share=(usage.ru_utime + usage.ru_stime) / told["seconds"],
    )
