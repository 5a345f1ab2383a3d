"""One drain: a queue is filled, then one worker process is started on it, and its jobs' marks are timed.

From the first job's mark to the last one's, so that importing and starting are nobody's loss. CPU seconds
likewise count from the first mark on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.bench import Bench
from bench.contest import NotMeasuredError, Sample
from bench.deliveries import misskey
from bench.machine import CpuClock
from bench.marks import Marks
from bench.ours import Ours
from bench.processes import Process
from bench.redis_servers import RedisServer

PER_SECOND, CPU, REDIS_CPU, JOBS = "jobs_per_second", "cpu_us_per_job", "redis_cpu_us_per_job", "jobs"
_DISTINCT_BODIES = 1000
_FILL_SECONDS = 120

NO_OP = """
from hookline import action, misskey
from marks import mark


@action(misskey.Note)
async def no_op(event):
    mark()
"""


class MarkedOurs(Ours):
    """A Hookline installation whose plugin can mark the time."""

    def __init__(self, bench: Bench, redis: RedisServer, *, plugin: str = NO_OP) -> None:
        super().__init__(bench.folder_of_run("ours"), redis, plugin=plugin)
        self.marks = Marks(self.folder)

    def environment(self) -> dict[str, str]:
        """What the processes are told."""
        return super().environment() | self.marks.environment


@dataclass(frozen=True, slots=True)
class Peer:
    """A queue that people would use instead: the commands that fill it, and that work it off."""

    fill: Sequence[str | Path]
    """The number of jobs is put behind it."""
    work: Sequence[str | Path]
    job: Sequence[str] = ()
    """Which job to fill it with, where it is not the usual one; put behind the number."""


def drain_ours(
    bench: Bench, jobs: int, *arguments: str, plugin: str = NO_OP, marks_per_job: int = 1
) -> Callable[[], Sample]:
    """Hookline's worker with these arguments, and so many events waiting in full groups."""

    def measure() -> Sample:
        with bench.redis() as redis:
            ours = MarkedOurs(bench, redis, plugin=plugin)
            ours.fill(jobs)
            with ours.worker(*arguments) as worker:
                drain = _Drain(redis, worker, ours.marks, jobs, marks_per_job)
                # Our last mark is no end yet: what ran is recorded after it, and that is waited for.
                return drain.sample(until=lambda: ours.wait_until_finished(jobs, worker))

    return measure


def drain_peer(bench: Bench, peer: Peer, jobs: int, *, marks_per_job: int = 1) -> Callable[[], Sample]:
    """A peer's worker, and so many jobs waiting."""

    def measure() -> Sample:
        with bench.redis() as redis:
            folder = bench.folder_of_run("peer")
            marks = Marks(folder)
            told = {"BENCH_REDIS_URL": redis.url, "BENCH_BODIES": str(_bodies(bench))}
            environment = marks.environment | told
            _fill([*peer.fill, str(jobs), *peer.job], folder, environment)
            with Process("worker", peer.work, folder=folder, environment=environment) as worker:
                return _Drain(redis, worker, marks, jobs, marks_per_job).sample()

    return measure


@dataclass(frozen=True, slots=True)
class _Drain:
    redis: RedisServer
    worker: Process
    marks: Marks
    jobs: int
    marks_per_job: int

    def sample(self, until: Callable[[], object] | None = None) -> Sample:
        """Wait for all marks, and then for what else is to be waited for."""
        expected = self.jobs * self.marks_per_job
        self.marks.wait_for(1, self.worker)
        clock, redis_clock = CpuClock(self.worker.pid), CpuClock(self.redis.pid)
        missed = self.marks.count() / expected
        self.marks.wait_for(expected, self.worker)
        end = 0.0
        if until:
            until()
            end = time.time()
        seconds, redis_seconds = clock.seconds(), redis_clock.seconds()
        cut_off(self.worker)
        times = self.marks.times()
        counted = self.jobs * (1 - missed)
        return {
            PER_SECOND: self.jobs / (max(end, times[-1]) - times[0]),
            CPU: seconds / counted * 1e6,
            REDIS_CPU: redis_seconds / counted * 1e6,
            JOBS: self.jobs,
        }


def cut_off(*processes: Process) -> None:
    """End them at once: what they were measured by is over, and their Redis goes with them."""
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)


def _fill(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> None:
    try:
        ended = subprocess.run(  # noqa: S603 (a peer's program)
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_FILL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotMeasuredError(f"its queue was not filled in {_FILL_SECONDS} s") from error
    if ended.returncode:
        raise NotMeasuredError(f"its queue could not be filled: {ended.stderr.strip()[-500:]}")


def _bodies(bench: Bench) -> Path:
    """The bodies of the 4 kB note, one a line; written once."""
    file = bench.folder / "runs" / "bodies"
    if not file.exists():
        lines = b"".join(misskey(number).body + b"\n" for number in range(_DISTINCT_BODIES))
        file.write_bytes(lines)
    return file
