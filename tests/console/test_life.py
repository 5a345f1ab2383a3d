"""How the console starts and ends, as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator

import pytest

from hookline.service import Service, ServiceError

PASSWORD = "a-long-random-passw0rd"

Start = Callable[..., Service]


@pytest.fixture
def start(redis_url: str) -> Iterator[Start]:
    """Starts consoles with these variables; they end with the test."""
    started: list[Service] = []

    def run(**environment: str) -> Service:
        given = {
            "HOOKLINE_REDIS__URL": redis_url,
            "HOOKLINE_CONSOLE__PORT": "0",
            "HOOKLINE_CONSOLE__PASSWORD": "env:TEST_PASSWORD",
            "TEST_PASSWORD": PASSWORD,
            **environment,
        }
        service = Service("hookline_console", environment=given, ready="console is listening")
        started.append(service)
        return service

    yield run
    for service in started:
        service.signal(signal.SIGKILL)
        service.wait()


def get(url: str, **headers: str) -> int:
    """The status of a page."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return int(answer.status)


def test_it_starts_serves_and_ends(start: Start) -> None:
    """SIGTERM is a good end, also while somebody watches."""
    service = start()
    url = service.wait_until_ready()["url"]
    assert get(f"{url}/healthz") == 200
    headers = {"Authorization": f"Bearer {PASSWORD}"}
    assert get(url, **headers) == 200
    watched = urllib.request.Request(f"{url}/overview/stream", headers=headers)
    with urllib.request.urlopen(watched, timeout=30) as stream:
        assert stream.readline() == b"retry: 3000\n"
        assert service.stop() == 0
        stream.read()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"HOOKLINE_CONSOLE__PASSWORD": ""}, "console.password is not set"),
        ({"TEST_PASSWORD": ""}, "is empty, and an empty secret is no secret"),
        ({"HOOKLINE_CONSOLE__PASSWORD": "env:NO_SUCH_VARIABLE"}, "NO_SUCH_VARIABLE is not set"),
    ],
)
def test_without_a_password_it_does_not_start(start: Start, environment: dict[str, str], told: str) -> None:
    """It says what to set."""
    service = start(**environment)
    with pytest.raises(ServiceError, match=told):
        service.wait_until_ready()
    assert service.wait() == 2


def test_it_says_that_its_port_is_taken(start: Start) -> None:
    """And which setting that is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = start(HOOKLINE_CONSOLE__PORT=str(taken.getsockname()[1]))
        with pytest.raises(ServiceError, match=r"console\.port: cannot listen"):
            service.wait_until_ready()


def test_the_command_becomes_the_console(redis_url: str) -> None:
    """`hookline console` is the same process, and takes the same settings."""
    done = subprocess.run(
        [sys.executable, "-c", "from hookline.cli import main; main()", "console"],
        env={**os.environ, "HOOKLINE_REDIS__URL": redis_url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "console.password is not set" in done.stderr
