"""The short form of `make chaos`: a few faults on a real pipeline, judged in every row."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = ("kill-receiver", "kill-child", "kill-redis", "pause-redis")
PATIENCE_SECONDS = 300

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")


def chaos(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`python -m chaos`, as `make chaos` starts it."""
    places = [str(ROOT / name) for name in ("shared", "receiver", "worker", ".")]
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "chaos",
            *("--quick", "--untimed"),
            *("--folder", str(folder / "run"), "--results", str(folder / "results.json")),
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_four_faults_break_no_promise(tmp_path: Path) -> None:
    """Nothing lost, nothing repeated whose process lived, every backlog gone, no other answers."""
    process = chaos(tmp_path, "--seed", "7", "--events", "220", "--only", *FAULTS)
    told, _ = process.communicate(timeout=PATIENCE_SECONDS)
    results: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert {row["what"]: row["verdict"] for row in results["rows"]} == {
        "answered 2xx and never run": "met",
        "recorded run repeated (no replay)": "met",
        "run repeated because its process was killed before it was recorded": "not timed",
        "from a fault's end to an empty backlog": "not timed",
        "answers other than the table's": "met",
    }, told
    assert process.returncode == 0, told
    assert {fault["name"] for fault in results["campaigns"]["faults"]["faults"]} == set(FAULTS)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_leaves_no_process_behind(tmp_path: Path, signum: signal.Signals) -> None:
    """By Ctrl-C or by a supervisor, in the middle of everything."""
    process = chaos(tmp_path, "--events", "600", "--only", "kill-child")
    while not _processes(tmp_path) and process.poll() is None:
        time.sleep(0.05)
    assert process.returncode is None, process.communicate()[0]
    for pid in _itself(process.pid):
        os.kill(pid, signum)
    process.communicate(timeout=PATIENCE_SECONDS)
    until = time.monotonic() + PATIENCE_SECONDS
    while _processes(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert _processes(tmp_path) == []


def _processes(folder: Path) -> list[str]:
    """The receivers and workers of a run in this folder."""
    lines = [_command(entry) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [line for line in lines if str(folder) in line and "hookline_" in line]


def _itself(pid: int) -> list[int]:
    """The run's own processes: what was started, and what that became in namespaces of its own."""
    entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    inside = [int(entry.name) for entry in entries if f"\n{pid}\n" in f"\n{_parent(entry)}\n"]
    return [*inside, pid]


def _parent(entry: Path) -> str:
    try:
        return (entry / "stat").read_text().rpartition(")")[2].split()[1]
    except OSError:
        return ""


def _command(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
