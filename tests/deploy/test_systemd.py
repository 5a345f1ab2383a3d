"""deploy/systemd: units that systemd can read, commands and settings that Hookline has."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from hookline.cli import app
from hookline.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
SERVICES = {role: f"hookline-{role}.service" for role in ("receiver", "worker@", "console")}
PROGRAM = "/opt/hookline/bin/hookline"


def unit(name: str) -> dict[str, list[str]]:
    """What a unit says, each option with all of its values, in their order."""
    said: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (FOLDER / name).read_text(encoding="utf-8"), re.MULTILINE):
        said.setdefault(key, []).append(value)
    return said


def environment(role: str) -> dict[str, str]:
    """The variables that a service is given, the folder of its credentials put in."""
    name = SERVICES[role].replace("@", "@1")
    pairs = (value.replace("%d", f"/run/credentials/{name}") for value in unit(SERVICES[role])["Environment"])
    return dict(pair.split("=", 1) for pair in pairs)


def settings(role: str) -> Settings:
    """The settings as that service reads them."""
    return load_settings(FOLDER / "hookline.toml", environ=environment(role))


def credentials(role: str) -> dict[str, str]:
    """The references to what a service can read, and the file that each is from."""
    loaded = dict(value.split(":", 1) for value in unit(SERVICES[role])["LoadCredential"])
    folder = f"/run/credentials/{SERVICES[role].replace('@', '@1')}"
    return {f"file:{folder}/{name}": source for name, source in loaded.items()}


def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    """`systemd-analyze verify`, which says something of every mistake, with a program that is there."""
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        pytest.skip("systemd-analyze is not installed")
    units = [file.name for file in FOLDER.iterdir() if file.suffix in (".service", ".socket", ".target")]
    assert len(units) == 5
    for name in units:
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(PROGRAM, "/bin/true"))
    paths = [f"./{name.replace('@.', '@1.')}" for name in units]
    (tmp_path / "hookline-worker@1.service").symlink_to("hookline-worker@.service")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *paths], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("role", SERVICES)
def test_the_command_is_one_that_there_is(role: str) -> None:
    """With the options that it has, and the settings file of this folder."""
    (line,) = unit(SERVICES[role])["ExecStart"]
    program, command, *arguments = shlex.split(line)
    commands: Any = typer.main.get_command(app)
    known = {option for param in commands.commands[command].params for option in param.opts}
    assert program == PROGRAM
    assert command == role.rstrip("@")
    assert {word for word in arguments if word.startswith("--")} <= known
    assert arguments[arguments.index("--config") + 1] == "/etc/hookline/hookline.toml"


def test_the_sockets_are_the_settings_own_ports() -> None:
    """Deliveries first, then the admin port, as the receiver takes them."""
    receiver = settings("receiver").receiver
    assert unit("hookline-receiver.socket")["ListenStream"] == [
        f"{receiver.host}:{receiver.port}",
        f"{receiver.admin_host}:{receiver.admin_port}",
    ]
    assert "hookline-receiver.socket" in unit(SERVICES["receiver"])["Requires"]


def test_every_secret_that_is_referred_to_is_given_to_whoever_needs_it() -> None:
    """And to nobody else: the worker verifies nothing."""
    read = {role: settings(role) for role in SERVICES}
    senders = {secret for source in read["receiver"].sources.values() for secret in source.secrets}
    assert set(credentials("receiver")) == {read["receiver"].redis.password, *senders}
    assert set(credentials("worker@")) == {read["worker@"].redis.password}
    assert set(credentials("console")) == {read["console"].redis.password, read["console"].console.password}
    sources = {source for role in SERVICES for source in credentials(role).values()}
    at_the_command_line = load_settings(FOLDER / "hookline.toml", environ={}).redis.password or ""
    assert at_the_command_line.removeprefix("file:") in sources


def test_a_stop_waits_for_longer_than_the_processes_take() -> None:
    """Or systemd would kill what is about to be handed over."""

    def seconds(role: str) -> int:
        return int(unit(SERVICES[role])["TimeoutStopSec"][0])

    assert seconds("receiver") > settings("receiver").receiver.shutdown_seconds + 5
    worker = settings("worker@").worker
    assert seconds("worker@") > worker.shutdown_seconds + worker.slice_seconds


@pytest.mark.parametrize("role", ["receiver", "worker@"])
def test_a_stop_reaches_the_parent_alone(role: str) -> None:
    """It tells its children itself."""
    assert unit(SERVICES[role])["KillMode"] == ["mixed"]


def test_what_is_written_is_below_a_folder_of_the_service() -> None:
    """All else is read-only."""
    (spool,) = unit(SERVICES["receiver"])["StateDirectory"]
    assert str(settings("receiver").spool.folder) == f"/var/lib/{spool}"
    assert unit(SERVICES["worker@"])["StateDirectory"] == ["hookline/data"]
    assert unit(SERVICES["worker@"])["WorkingDirectory"] == ["%S/hookline"]


@pytest.mark.parametrize("role", SERVICES)
def test_every_service_is_restricted(role: str) -> None:
    """No other user's rights, no capability, and a file system to read."""
    said = unit(SERVICES[role])
    assert said["User"] == ["hookline"]
    assert "\nu hookline " in (FOLDER / "hookline.sysusers").read_text(encoding="utf-8")
    assert said["CapabilityBoundingSet"] == [""]
    assert said["ProtectSystem"] == ["strict"]
    assert said["SystemCallFilter"] == ["@system-service"]
    for option in ("NoNewPrivileges", "PrivateDevices", "PrivateTmp", "ProtectHome", "ProtectKernelModules"):
        assert said[option] == ["yes"], option


@pytest.mark.parametrize("name", [*SERVICES.values(), "hookline-receiver.socket"])
def test_the_target_starts_and_stops_all_of_it(name: str) -> None:
    """What is enabled comes with it, and ends with it."""
    assert unit(name)["PartOf"] == ["hookline.target"]
    assert "hookline.target" in unit(name)["WantedBy"][0].split()
