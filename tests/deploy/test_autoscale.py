"""deploy/autoscale.py: how many workers a backlog asks for, and what Compose is then told."""

from __future__ import annotations

import fcntl
import importlib.util
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "deploy" / "autoscale.py"
_spec = importlib.util.spec_from_file_location("deploy_autoscale", SCRIPT)
assert _spec
assert _spec.loader
autoscale = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(autoscale)

DOCKER = """#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "called").open("a") as called:
    called.write(json.dumps(sys.argv[1:]) + "\\n")
command = sys.argv[2]
if command == "exec":
    sys.exit(os.system(f"cat {{folder}}/backlog") and "service receiver is not running")
if command == "ps":
    print((folder / "workers").read_text())
"""


@dataclass
class Compose:
    """A `docker` that tells of the backlog and the workers in a folder, and notes how it was called."""

    folder: Path

    def is_at(self, ready: int, workers: int) -> None:
        """So many events could run, and so many workers are there."""
        (self.folder / "backlog").write_text(json.dumps({"backlog": ready + 3, "ready": ready}))
        (self.folder / "workers").write_text("".join(f"{n:012x}\n" for n in range(workers)))

    def autoscale(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the script with this `docker` on the path."""
        return subprocess.run(
            [sys.executable, str(SCRIPT), *options],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={"PATH": f"{self.folder}:{os.environ['PATH']}"},
        )

    def changes(self) -> list[list[str]]:
        """The calls that change something, their arguments."""
        called = self.folder / "called"
        calls = [json.loads(line) for line in called.read_text().splitlines()] if called.exists() else []
        return [call for call in calls if call[1] not in ("exec", "ps")]


@pytest.fixture
def compose(tmp_path: Path) -> Compose:
    """The `docker` of a project."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(python=sys.executable, folder=str(tmp_path)))
    docker.chmod(0o755)
    return Compose(tmp_path)


def wanted(ready: int, running: int) -> int:
    """Of 1 to 5 workers, with 100 events for each."""
    number = autoscale.workers_wanted(ready, running, least=1, most=5, events_per_worker=100)
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize(
    ("ready", "running", "expected"),
    [
        (0, 1, 1),
        (100, 1, 1),
        (101, 1, 2),
        (400, 1, 4),
        (100_000, 1, 5),
        (100_000, 5, 5),
        (0, 5, 4),
        (200, 5, 4),
        (201, 5, 5),
        (51, 2, 2),
        (50, 2, 1),
        (100_000, 8, 7),
    ],
)
def test_so_many_workers_for_so_many_events(ready: int, running: int, expected: int) -> None:
    """Up at once; down by one, where that one less would be half idle or there are too many."""
    assert wanted(ready, running) == expected


def test_workers_that_somebody_has_stopped_stay_stopped() -> None:
    """However much waits."""
    assert wanted(100_000, 0) == 0


@given(st.integers(0, 2_000), st.integers(1, 5))
def test_it_comes_to_rest_and_stays_there(ready: int, running: int) -> None:
    """With a backlog that doesn't change it never goes up and down in turn, and there is enough of it."""
    numbers = [running]
    for _ in range(10):
        numbers.append(wanted(ready, numbers[-1]))
    ups = [after > before for before, after in itertools.pairwise(numbers) if after != before]
    assert len(set(ups)) <= 1
    assert numbers[-1] == numbers[-2]
    assert min(ready, 500) <= numbers[-1] * 100
    assert 1 <= numbers[-1] <= 5


def test_more_workers_are_started_for_a_backlog(compose: Compose) -> None:
    """Of the worker's service alone, and what runs already is left as it is."""
    compose.is_at(ready=350, workers=1)
    done = compose.autoscale("--most", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "workers: 1 -> 3, for 350 events that could run now\n"
    (call,) = compose.changes()
    assert " ".join(call) == (
        "compose up --detach --no-deps --no-recreate --no-build --scale worker=3 worker"
    )


def test_one_worker_leaves_at_a_time(compose: Compose) -> None:
    """The next look may take another one."""
    compose.is_at(ready=0, workers=3)
    assert compose.autoscale().returncode == 0
    (call,) = compose.changes()
    assert call[-2:] == ["worker=2", "worker"]


def test_where_the_number_is_right_nothing_is_called(compose: Compose) -> None:
    """And nothing said, since cron would send it by mail."""
    compose.is_at(ready=120, workers=2)
    done = compose.autoscale()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert compose.changes() == []


def test_a_receiver_that_does_not_answer_changes_nothing(compose: Compose) -> None:
    """What Compose says is passed on."""
    compose.is_at(ready=0, workers=3)
    (compose.folder / "backlog").unlink()
    done = compose.autoscale()
    assert done.returncode == 1
    assert done.stderr.startswith(
        "autoscale: docker compose exec -T receiver python -c ended with status 1: "
    )
    assert "service receiver is not running" in done.stderr
    assert compose.changes() == []


def test_a_look_that_is_still_under_way_is_left_alone(compose: Compose) -> None:
    """It may be waiting for a worker that finishes what it runs."""
    compose.is_at(ready=500, workers=1)
    project = os.open(compose.folder, os.O_RDONLY)
    fcntl.flock(project, fcntl.LOCK_EX)
    assert compose.autoscale().returncode == 0
    os.close(project)
    assert compose.changes() == []


def test_it_asks_where_the_receiver_of_the_compose_file_answers() -> None:
    """At its admin port, which is published nowhere."""
    compose = yaml.safe_load((SCRIPT.parents[1] / "docker-compose.yml").read_text())
    environment = compose["services"]["receiver"]["environment"]
    assert environment["HOOKLINE_RECEIVER__ADMIN_PORT"] == str(autoscale.ADMIN_PORT_OF_COMPOSE)


def test_an_older_compose_is_named_by_an_option(compose: Compose) -> None:
    """And one that isn't there is told with the way out."""
    done = compose.autoscale("--compose", "there-is-no-such-compose")
    assert done.returncode == 1
    assert done.stderr.startswith("autoscale: there-is-no-such-compose: No such file or directory; is Docker")


@pytest.mark.parametrize("options", [("--least", "0"), ("--least", "5"), ("--events-per-worker", "0")])
def test_numbers_that_make_no_sense_are_refused(compose: Compose, options: tuple[str, ...]) -> None:
    """Before anything is asked."""
    done = compose.autoscale(*options)
    assert done.returncode == 2
    assert "has to be" in done.stderr
