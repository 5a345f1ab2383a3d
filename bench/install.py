"""What the bench installs, all of it into one folder of its own; nothing changes on the machine.

A program that is on PATH already is used as it is. What cannot be had is remembered with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hookline.redis_server import shipped_server

PEERS = Path(__file__).parent / "peers"
INSTALL_SECONDS = 300.0
_SBIN = "/usr/sbin:/sbin"
_DEBIAN = {
    "wrk": ("wrk", "libluajit-5.1-2", "libluajit-5.1-common"),
    "redis-server": ("redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"),
    "webhook": ("webhook",),
}
"""Debian's packages of each program: it and the libraries that a small machine may lack."""
_LAUNCHER = """#!/bin/sh
LD_LIBRARY_PATH=$(echo {folder}/usr/lib/*-linux-gnu) exec {program} "$@"
"""

Tell = Callable[[str], None]


class _NotInstalledError(Exception):
    """Raised when something cannot be installed here; the message is the reason."""


@dataclass(slots=True)
class Tools:
    """Where everything is; None, and a reason in `missing`, for what could not be had."""

    wrk: Path | None = None
    redis_server: Path | None = None
    webhook: Path | None = None
    peers_python: Path | None = None
    """The interpreter of the virtual environment that has the Python peers."""
    node: Path | None = None
    node_folder: Path | None = None
    """The folder whose `node_modules` has the npm peers."""
    missing: dict[str, str] = field(default_factory=dict)
    """The reason, by `wrk`, `redis-server`, `webhook`, `Python peers` or `npm peers`."""


def install(folder: Path, tell: Tell) -> Tools:
    """Find or install everything, and say so line by line."""
    folder.mkdir(parents=True, exist_ok=True)
    tools = Tools()
    tools.wrk = _try(tools, "wrk", tell, lambda: _program("wrk", folder))
    tools.redis_server = _try(tools, "redis-server", tell, lambda: _redis_server(folder))
    tools.webhook = _try(tools, "webhook", tell, lambda: _program("webhook", folder))
    tools.peers_python = _try(tools, "Python peers", tell, lambda: _python_peers(folder / "venv"))
    tools.node_folder = _try(tools, "npm peers", tell, lambda: _npm_peers(folder / "node"))
    tools.node = Path(shutil.which("node") or "") if tools.node_folder else None
    return tools


def _try(tools: Tools, name: str, tell: Tell, get: Callable[[], Path]) -> Path | None:
    try:
        found = get()
    except _NotInstalledError as error:
        tools.missing[name] = str(error)
        tell(f"[yellow]{name} could not be had:[/] {error}")
        return None
    tell(f"{name}: {found}")
    return found


def _program(name: str, folder: Path) -> Path:
    """A program from PATH, else from Debian's packages, unpacked and not installed."""
    there = shutil.which(name)
    if there:
        return Path(there)
    launcher = folder / "bin" / name
    if not launcher.exists():
        _unpack(name, folder / "debian")
        launcher.parent.mkdir(exist_ok=True)
        program = folder / "debian" / "usr" / "bin" / name
        launcher.write_text(_LAUNCHER.format(folder=folder / "debian", program=program))
        launcher.chmod(0o755)
    if not _runs(launcher):
        raise _NotInstalledError("it is unpacked but does not run: a library that it needs is missing")
    return launcher


def _redis_server(folder: Path) -> Path:
    """A real server from PATH or Debian's packages, else the one that is embedded in Hookline."""
    try:
        return _program("redis-server", folder)
    except _NotInstalledError as error:
        shipped = shipped_server()
        if shipped is None:
            raise _NotInstalledError(f"{error}; nor is the embedded one installed") from error
        return shipped


def _unpack(name: str, folder: Path) -> None:
    """Debian's packages of a program, unpacked into a folder."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise _NotInstalledError("it is not on PATH, and there is no apt-get here to get it with")
    archives = folder / "archives" / name
    archives.mkdir(parents=True, exist_ok=True)
    try:
        _run(["apt-get", "download", *_DEBIAN[name]], archives)
    except _NotInstalledError:  # a fresh machine has no lists of packages yet: they are kept here alone
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        apt = ["apt-get", "--option", f"Dir::State::Lists={lists}", "--option", "Dir::Cache::pkgcache="]
        _run([*apt, "update"], archives)
        _run([*apt, "download", *_DEBIAN[name]], archives)
    for archive in archives.glob("*.deb"):
        _run(["dpkg", "--extract", str(archive), str(folder)], folder)


def _runs(program: Path) -> bool:
    """Whether the loader finds all that the program needs; its exit status says nothing of that."""
    try:
        ended = subprocess.run([program, "--version"], capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return b"error while loading" not in ended.stderr and b"not found" not in ended.stderr


def _python_peers(folder: Path) -> Path:
    python = folder / "bin" / "python"
    wanted = PEERS / "constraints.txt"
    if not _is_current(folder, wanted):
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], folder.parent)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--constraint", str(wanted), "--requirement", str(PEERS / "requirements.txt")], folder)
        shutil.copy(wanted, folder / wanted.name)
    return python


def _npm_peers(folder: Path) -> Path:
    wanted = PEERS / "package.json"
    if not shutil.which("npm"):
        raise _NotInstalledError("there is no npm on PATH")
    if not _is_current(folder, wanted):
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / "fresh"
        fresh.mkdir(exist_ok=True)
        shutil.copy(wanted, fresh / wanted.name)
        _run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"], fresh)
        (fresh / "node_modules").rename(folder / "node_modules")
        shutil.copy(wanted, folder / wanted.name)
        shutil.rmtree(fresh)
    return folder


def _is_current(folder: Path, wanted: Path) -> bool:
    """Whether the folder was installed from this very list: the list is copied there at the end."""
    installed = folder / wanted.name
    return installed.exists() and installed.read_bytes() == wanted.read_bytes()


def _run(command: Sequence[str], folder: Path) -> str:
    """Run an installer; _NotInstalledError quotes the end of what it said."""
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_SBIN}", "PIP_CONSTRAINT": ""}
    try:
        ended = subprocess.run(  # noqa: S603 (the machine's own package clients)
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NotInstalledError(f"{command[0]} failed: {error}") from error
    if ended.returncode:
        words = (ended.stderr or ended.stdout).strip().splitlines()[-3:]
        raise _NotInstalledError(f"{command[0]} ended with status {ended.returncode}: {' '.join(words)}")
    return ended.stdout
