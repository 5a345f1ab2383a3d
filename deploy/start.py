"""The container's entry point: install what the plugins require, if that changed, then become `hookline`.

The requirements go into a volume, one folder per set of them, so that an unchanged set starts without a
network, a half-made one is never used, and a worker that still runs keeps the set it started with.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PLUGINS = Path("/hookline/plugins")
INSTALLED = Path("/var/lib/hookline")
CONSTRAINTS = Path("/opt/hookline/constraints.txt")
LISTED = "requirements.txt"


class RequirementsError(Exception):
    """Raised when the plugins' requirements cannot be installed; the message says what to do."""


def main(arguments: list[str]) -> None:
    """Install the plugins' requirements and replace this process by `hookline` with `arguments`."""
    try:
        chosen = install(PLUGINS, INSTALLED, CONSTRAINTS)
    except RequirementsError as error:
        sys.exit(f"hookline: {error}")
    environment = os.environ | ({"PYTHONUSERBASE": str(chosen)} if chosen else {})
    os.execvpe("hookline", ["hookline", *arguments], environment)  # noqa: S606, S607 (our own command, no shell)


def install(plugins: Path, installed: Path, constraints: Path) -> Path | None:
    """The folder with what `plugins`/requirements.txt names, made now if need be; None without such a file.

    `installed`/current points to it afterwards. Raises RequirementsError.
    """
    wanted = fingerprint(plugins, constraints)
    current = installed / "current"
    if not wanted:
        if plugins.is_dir() and current.is_symlink():
            current.unlink()  # nothing is required any more
        return None
    chosen = installed / wanted
    try:
        with (installed / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the replicas of `--scale worker=4` share the volume
            if not chosen.is_dir():
                _run_pip(plugins, chosen, constraints)
            _point(current, chosen)
    except OSError as error:
        raise RequirementsError(
            f"{installed} cannot be written ({error.strerror}), and plugins/{LISTED} is to be installed "
            "there; give the container a volume at that path that its user owns"
        ) from error
    return chosen


def fingerprint(plugins: Path, constraints: Path) -> str:
    """Names a set of requirements by the *.txt beside the plugins, this image's versions and this Python.

    Empty where nothing is required. Raises RequirementsError where `plugins` cannot be read.
    """
    try:
        if not (plugins / LISTED).is_file():
            return ""
        files = [constraints, *sorted(plugins.glob("*.txt"))]  # requirements.txt may name others: -r more.txt
        contents = [file.read_bytes() for file in files]
    except OSError as error:
        raise RequirementsError(
            f"{error.filename}: {error.strerror}; let the container's user (uid {os.getuid()}) read the "
            "plugins, with chmod -R a+rX plugins"
        ) from error
    digest = hashlib.sha256(sys.version.encode())
    for file, content in zip(files, contents, strict=True):
        digest.update(f"\0{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _run_pip(plugins: Path, chosen: Path, constraints: Path) -> None:
    """Fill `chosen` in one step, as far as anybody can see: it is made under another name."""
    print(f"hookline: installing plugins/{LISTED}", file=sys.stderr)  # noqa: T201 (logging is not set up here)
    staging = chosen.with_suffix(".new")
    shutil.rmtree(staging, ignore_errors=True)
    (staging / "tmp").mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--user", "--no-input", "--no-cache-dir"]
    pip += ["--disable-pip-version-check", "--no-warn-script-location", "--progress-bar", "off"]
    pip += ["--constraint", str(constraints), "--requirement", LISTED]
    # /tmp is mounted noexec, so that what some packages need while they are built could not be loaded there.
    environment = os.environ | {"PYTHONUSERBASE": str(staging), "TMPDIR": str(staging / "tmp")}
    # What it says goes beside the output of the command to come, which may be read by a program.
    done = subprocess.run(pip, cwd=plugins, env=environment, stdout=sys.stderr)  # noqa: S603 (no shell)
    shutil.rmtree(staging if done.returncode else staging / "tmp", ignore_errors=True)
    if done.returncode:
        raise RequirementsError(
            f"plugins/{LISTED} could not be installed; pip says why above. Mend the file, or take it away, "
            "and start again. A version that Hookline itself needs cannot be changed by a plugin."
        )
    staging.rename(chosen)


def _point(current: Path, chosen: Path) -> None:
    """Let `current` point to `chosen`, and remove all other sets but the one that it pointed to until now."""
    previous = current.resolve()
    if previous == chosen.resolve():
        return
    link = current.with_suffix(".new")
    link.unlink(missing_ok=True)
    link.symlink_to(chosen.name)
    link.replace(current)
    for folder in chosen.parent.iterdir():
        if folder.is_dir() and folder.resolve() not in (chosen.resolve(), previous):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
