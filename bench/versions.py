"""Which versions were measured: asked of what runs, or read from the exact lists that it was made from."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.install import PEERS, Tools

_OURS = ("hookline", "aiohttp", "redis", "rq", "pydantic", "hiredis", "uvloop")
_PEERS = ("fastapi", "uvicorn", "uvloop", "arq", "dramatiq", "saq", "streaq", "redis", "hiredis")


def versions(tools: Tools) -> dict[str, str]:
    """By what it is, for a person."""
    found = {"Hookline runs on": ", ".join(_installed())}
    if tools.redis_server:
        words = _asked([tools.redis_server, "--version"]).split()
        found["redis-server"] = next((word[2:] for word in words if word.startswith("v=")), "unknown")
    if tools.wrk:
        found["wrk"] = _asked([tools.wrk, "-v"]).split("[")[0].removeprefix("wrk").strip()
    if tools.webhook:
        found["webhook"] = _asked([tools.webhook, "-version"]).split()[-1]
    if tools.peers_python:
        found["Python peers"] = ", ".join(_pinned(PEERS / "constraints.txt"))
    if tools.node:
        packages = json.loads((PEERS / "package.json").read_text())["dependencies"]
        named = [f"{name} {number}" for name, number in packages.items()]
        found["Node peers"] = ", ".join([f"node {_asked([tools.node, '--version']).strip()}", *named])
    return found


def _installed() -> list[str]:
    found = []
    for name in _OURS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # some are used where they are installed
            continue
    return found


def _pinned(file: Path) -> list[str]:
    pins = dict(line.split("==") for line in file.read_text().splitlines() if "==" in line)
    return [f"{name} {pins[name]}" for name in _PEERS if name in pins]


def _asked(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
