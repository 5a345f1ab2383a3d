"""A project folder as a user has it, up and running in Docker, and gone afterwards."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import json
import os
import secrets
import shlex
import shutil
import ssl
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hookline.senders import Outgoing, delivery_random, make_delivery

ROOT = Path(__file__).parents[3]
SHIPPED = (
    ".dockerignore",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "constraints.txt",
    "docker-compose.yml",
    "pyproject.toml",
)
SHIPPED_FOLDERS = ("deploy", "shared", "receiver", "worker", "console")
BASE_IMAGES = ("python:3.13-slim", "redis:8", "caddy:2")
OURS = ("receiver", "worker")
WAIT_SECONDS = 40.0

PLUGIN = """
import greeting
from hookline import action, esa, misskey

@action(esa.PostCreate, misskey.Note)
def greet(event):
    with open(f"data/{event.type}", "a") as file:
        file.write(greeting.WORDS)
"""
CONFIG = """
[sources.esa]
provider = "esa"
secrets = ["env:ESA_SECRET"]

[sources.misskey]
provider = "misskey"
secrets = ["env:MISSKEY_SECRET"]
"""


@dataclass
class Stack:
    """The project: its folder, its secrets, and what one does with it."""

    folder: Path
    command: list[str]
    name: str = field(default_factory=lambda: f"hookline-test-{secrets.token_hex(4)}")
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    senders: dict[str, str] = field(
        default_factory=lambda: {"esa": secrets.token_hex(16), "misskey": secrets.token_hex(16)}
    )
    ports: dict[tuple[str, int], int] = field(default_factory=dict)

    def compose(self, *arguments: str, seconds: float = 60) -> str:
        """`docker compose …` in the folder, with nothing of our own environment that it would read."""
        ours = ("COMPOSE_", "HOOKLINE_")
        passed = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        command = [*self.command, "--project-name", self.name, *arguments]
        return run(*command, seconds=seconds, cwd=self.folder, env=passed)

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What the engine knows of every replica of these services, running or not."""
        names = f"label=com.docker.compose.project={self.name}"
        ids = run("docker", "ps", "--all", "--quiet", "--filter", names).split()
        known = json.loads(run("docker", "inspect", *ids))
        label = "com.docker.compose.service"
        return [container for container in known if container["Config"]["Labels"][label] in services]

    def inside(self, service: str, *command: str) -> str:
        """What the command prints in the first replica."""
        return run("docker", "exec", self.containers(service)[0]["Id"], *command)

    def redis(self, *command: str) -> str:
        """What redis-cli prints, having given the password."""
        line = shlex.join(command)
        return self.inside("redis", "sh", "-c", f'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli {line}')

    def logs(self) -> str:
        """Everything that every container has written."""
        return self.compose("logs", "--no-color")

    def port(self, service: str, port: int) -> int:
        """The port of this machine, on its loopback address, that leads to a container's."""
        if (service, port) not in self.ports:
            address, _, published = self.compose("port", service, str(port)).rpartition(":")
            assert address == "127.0.0.1"
            self.ports[service, port] = int(published)
        return self.ports[service, port]

    def delivery(self, provider: str, event_type: str, number: int) -> Outgoing:
        """A delivery as this sender makes it, the same one for the same number, with the secret we share."""
        secret = self.senders[provider].encode()
        rng = delivery_random(self.name, number)
        return make_delivery(provider, event_type, secret=secret, rng=rng, now_ms=1_700_000_000_000)

    def through_receiver(self) -> http.client.HTTPConnection:
        """A connection to the port that a receiver publishes."""
        return http.client.HTTPConnection("127.0.0.1", self.port("receiver", 8080), timeout=10)

    def through_edge(self) -> http.client.HTTPSConnection:
        """A connection to the edge by TLS; its certificate is by an authority of its own and not checked."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection("localhost", self.port("edge", 443), context=context, timeout=10)

    def edge_answers(self) -> bool:
        """Does the edge have its certificate, and its port?"""
        with contextlib.closing(self.through_edge()) as connection:
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/")
                return connection.getresponse().status == http.client.NOT_FOUND
            return False

    def is_internal(self, network: str) -> bool:
        """Does the network lead to its own containers only?"""
        return bool(json.loads(run("docker", "network", "inspect", network))[0]["Internal"])

    def is_done(self, event_id: str) -> bool:
        """Has every action of this event succeeded?"""
        return self.redis("HGET", f"hookline:event:{event_id}", "state") == "done"

    def is_healthy(self, service: str) -> bool:
        """Does the service's own health check succeed in every replica, not waiting until its turn comes?"""
        for container in self.containers(service):
            if not container["State"]["Running"] or container["RestartCount"]:
                pytest.fail(f"{service} does not stay up\n{self.logs()[-4000:]}")
            kind, *check = container["Config"]["Healthcheck"]["Test"]
            command = ["sh", "-c", *check] if kind == "CMD-SHELL" else check
            tried = subprocess.run(
                ["docker", "exec", container["Id"], *command], capture_output=True, timeout=30
            )
            if tried.returncode:
                return False
        return True

    def wait_for(self, look: Callable[[], Any], what: str) -> None:
        """Return as soon as `look` gives something true; fail after a while."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not look():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {WAIT_SECONDS:.0f} s for {what}\n{self.logs()[-4000:]}")
            time.sleep(0.1)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two receivers behind the edge, two workers and Redis, up and ready; all of it gone afterwards."""
    running = Stack(tmp_path_factory.mktemp("project"), compose_command())
    lay_out(running)
    try:
        running.compose("build", "receiver", seconds=180)
        running.compose("up", "--detach", "--scale", "worker=2", "--scale", "receiver=2", seconds=90)
        for service in ("redis", *OURS):
            running.wait_for(lambda service=service: running.is_healthy(service), f"a healthy {service}")
        running.wait_for(running.edge_answers, "the edge to answer")
        yield running
    finally:
        running.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", seconds=90)


@pytest.fixture(scope="session")
def make_wheel() -> Callable[[Path, str], None]:
    """What writes a wheel, of a module called as the wheel is, with this source."""
    return write_wheel


def compose_command() -> list[str]:
    """Compose as the engine's plugin, else as the older program; skips where anything needed is missing."""
    docker = shutil.which("docker")
    if not docker:
        pytest.skip("docker is not installed")
    if not succeeds(docker, "version"):
        pytest.skip("no Docker engine answers")
    for image in BASE_IMAGES:
        if not succeeds(docker, "image", "inspect", image):
            pytest.skip(f"the engine has no image {image}, and tests pull none")
    if succeeds(docker, "compose", "version"):
        return [docker, "compose"]
    if program := shutil.which("docker-compose"):
        return [program]
    pytest.skip("Docker Compose is not installed")


def lay_out(stack: Stack) -> None:
    """Make the folder: what we ship, a .env, settings, and a plugin with the package that it requires."""
    for name in SHIPPED:
        shutil.copy(ROOT / name, stack.folder)
    for name in SHIPPED_FOLDERS:
        shutil.copytree(ROOT / name, stack.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    settings = {
        "COMPOSE_PROFILES": "edge",
        "EDGE_HTTP_PORT": "127.0.0.1:0",
        "EDGE_HTTPS_PORT": "127.0.0.1:0",
        "ESA_SECRET": stack.senders["esa"],
        "HOOKLINE_DOMAIN": "localhost",
        "HOOKLINE_IMAGE": "hookline-test",
        "HOOKLINE_PORT": "0",
        "MISSKEY_SECRET": stack.senders["misskey"],
        "REDIS_PASSWORD": stack.password,
        "CONSOLE_PASSWORD": stack.password,
        "CONSOLE_PORT": "0",
    }
    (stack.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    (stack.folder / "hookline.toml").write_text(CONFIG)
    plugins = stack.folder / "plugins"
    plugins.mkdir()
    (plugins / "greet.py").write_text(PLUGIN)
    (plugins / "requirements.txt").write_text("./greeting-1.0-py3-none-any.whl\n")
    write_wheel(plugins / "greeting-1.0-py3-none-any.whl", 'WORDS = "hello"\n')
    for path in (stack.folder / "hookline.toml", plugins, *plugins.iterdir(), *stack.folder.glob("deploy/*")):
        path.chmod(0o755)  # whatever our umask is, the containers' users have to read them


def write_wheel(path: Path, source: str) -> None:
    """A wheel of one module, with what pip asks of a wheel."""
    name, version, *_ = path.name.split("-")
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": source,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    with zipfile.ZipFile(path, "w") as wheel:
        for place, content in files.items():
            wheel.writestr(place, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
            record += f"{place},sha256={digest},{len(content)}\n"
        wheel.writestr(f"{about}/RECORD", f"{record}{about}/RECORD,,\n")


def run(*command: str, seconds: float = 60, **options: Any) -> str:
    """What the command prints; its error output in the failure where it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=seconds, **options
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout.strip()


def succeeds(*command: str) -> bool:
    """Does the command end with status 0?"""
    return subprocess.run(command, capture_output=True, timeout=20).returncode == 0
