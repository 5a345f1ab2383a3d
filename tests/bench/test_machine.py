"""CPU seconds and memory, of real processes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.machine import BusyClock, CpuClock, MemoryWatch, bound_by, describe, peak_memory_bytes, tree

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
BURN_IN_A_CHILD = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); print(flush=True); input()"
)


def test_the_cpu_clock_counts_a_child_that_is_gone() -> None:
    """A forking worker's work is done by children that have long ended when the clock is read."""
    with subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True); input(); {BURN_IN_A_CHILD}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        clock = CpuClock(process.pid)
        assert clock.seconds() == pytest.approx(0, abs=0.05)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert clock.seconds() == pytest.approx(0.35, abs=0.15)
        process.communicate(b"\n")


def test_the_tree_has_a_child_that_still_runs() -> None:
    """A long-lived child counts from its own entry, as long as it is not waited for."""
    program = "import subprocess; subprocess.run(['sh', '-c', 'echo; read line'])"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert len(tree(process.pid)) == 2
        process.communicate(b"\n")


def test_what_is_gone_counts_nothing() -> None:
    """A process that ended in the meantime is no error."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert CpuClock(process.pid).seconds() == 0
    assert peak_memory_bytes(process.pid) == 0


def test_peak_memory_is_kept_when_it_was_given_back() -> None:
    """What counts is the most that there was."""
    program = "x = b'x' * 50_000_000; del x; print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with MemoryWatch(process.pid) as memory:
            pass
        assert memory.own_bytes > 50_000_000
        assert memory.largest_child_bytes == 0
        process.communicate(b"\n")


def test_what_the_limit_was() -> None:
    """The machine when it is full, else who used a whole core, else nobody."""
    assert "cores (95% busy)" in bound_by(0.95, {"Redis": 0.3})
    assert bound_by(0.7, {"Redis": 0.97, "wrk": 0.2}) == "Redis (1.0 cores)"
    assert bound_by(0.4, {"Redis": 0.3}) == "no core: 60% of the machine was idle"


def test_the_machine_describes_itself(tmp_path) -> None:
    """With the time that its disk takes for an fsync, on which `appendfsync always` depends."""
    told = describe(tmp_path)
    assert "cores" in told["processor"]
    assert told["one fsync of 4 KiB"].partition(" ms")[0].replace(".", "").isdecimal()
    assert list(tmp_path.iterdir()) == []
    assert 0 <= BusyClock().share() <= 1
