"""The harness in namespaces of its own: what it mounts and starts vanishes with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from hookline.errors import HooklineError

_INSIDE = "CHAOS_NAMESPACE"
_PR_SET_CHILD_SUBREAPER = 36
_MS_REMOUNT = 32


class MountError(HooklineError):
    """Raised when no file system can be mounted here; the message is the reason."""


def enter_namespaces() -> None:
    """Run this program again in mount and process namespaces of its own, where that is allowed.

    Where it isn't, go on as it is: orphans are then collected by us, and nothing can be mounted.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # some actions crash on purpose
    if _INSIDE in os.environ or sys.platform != "linux":
        return
    options = _usable_options()
    os.environ[_INSIDE] = "yes" if options else "no"
    if options:
        program = [shutil.which("unshare") or "unshare", *options]
        os.execv(program[0], [*program, sys.executable, "-m", "chaos", *sys.argv[1:]])  # noqa: S606 (itself)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def why_no_mounts() -> str | None:
    """Why no small file system can be made here; None where it can."""
    if os.environ.get(_INSIDE) == "yes":
        return None
    return "it needs to mount a small file system: run it as root, or where `unshare -Urm` is allowed"


def mount(folder: Path, size_bytes: int) -> None:
    """Put a file system of this size, in memory, at this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount(folder, 0, size_bytes)


def fill(folder: Path) -> None:
    """Leave no room on the file system that was mounted here.

    It is made smaller instead of being filled by a file, which would take as much of the machine's memory.
    """
    told = os.statvfs(folder)
    used = (told.f_blocks - told.f_bfree) * told.f_frsize
    _mount(folder, _MS_REMOUNT, max(used, told.f_frsize))


def make_room(folder: Path, size_bytes: int) -> None:
    """Give the file system here its size back."""
    _mount(folder, _MS_REMOUNT, size_bytes)


def _mount(folder: Path, flags: int, size_bytes: int) -> None:
    """mount(2) itself: the program of that name adds options that a user's own namespace refuses."""
    system = ctypes.CDLL(None, use_errno=True)
    options = f"size={size_bytes}".encode()
    if system.mount(b"chaos", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(flags), options):
        raise MountError(f"{folder}: no file system of {size_bytes} bytes: {os.strerror(ctypes.get_errno())}")


def _usable_options() -> list[str]:
    """What unshare is told, as root or without; nothing where neither is allowed or there is no unshare."""
    spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    for options in (spaces, ["--user", "--map-root-user", *spaces]):
        try:
            tried = subprocess.run(  # noqa: S603 (a trial that changes nothing)
                ["unshare", *options, "mount", "-t", "tmpfs", "chaos", "/mnt"],  # noqa: S607
                capture_output=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return []
        if tried.returncode == 0:
            return options
    return []
