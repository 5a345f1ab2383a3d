"""The marks: what jobs note of the time, and what the bench reads of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.contest import NotMeasuredError
from bench.marks import Marks
from bench.processes import Process

FORKING = "import os, marks; marks.mark(); os.fork() or (marks.mark(), os._exit(0)); os.wait(); marks.mark()"


def test_marks_of_a_process_and_its_forks_are_all_read(tmp_path: Path) -> None:
    """Whoever runs the job, its mark counts, and is the time of day."""
    marks, before = Marks(tmp_path), time.time()
    subprocess.run([sys.executable, "-c", FORKING], env=marks.environment, check=True)
    assert marks.count() == 3
    first, *_, last = marks.times()
    assert before <= first <= last <= time.time()


def test_without_a_job_there_are_no_marks(tmp_path: Path) -> None:
    """A worker that has not begun has no file yet."""
    assert Marks(tmp_path).count() == 0


def test_a_worker_that_ends_too_early_is_not_waited_for(tmp_path: Path) -> None:
    """The reason is its last words."""
    with (
        Process("worker", ["sh", "-c", "echo no such module; exit 1"], folder=tmp_path) as worker,
        pytest.raises(NotMeasuredError, match=r"(?s)status 1.*no such module"),
    ):
        Marks(tmp_path).wait_for(1, worker)
