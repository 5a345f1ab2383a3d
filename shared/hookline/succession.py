"""How a supervisor becomes a new one, with new code and settings, while its processes go on.

It executes its own command again. Its process id stays, so its children stay its own; their ids go on in a
variable, and its listening sockets as systemd would pass them (sd_listen_fds(3)).
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

FIRST_DESCRIPTOR = 3
LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
PREDECESSORS_VARIABLE = "_HOOKLINE_PREDECESSORS"  # HOOKLINE_… would be a setting
CHECK_OPTION = "--check"
CHECK_SECONDS = 60.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def why_it_would_not_start() -> str | None:
    """What our own command says if it could not start now with the files as they are; None where it could."""
    command = [sys.executable, *sys.orig_argv[1:], CHECK_OPTION]
    try:
        checked = subprocess.run(  # noqa: S603 (our own command, no shell)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=CHECK_SECONDS,
            text=True,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (checked.stderr.strip()[-2000:] or f"status {checked.returncode}") if checked.returncode else None


def execute_anew(children: Sequence[int], sockets: Sequence[socket.socket]) -> None:
    """Become a new process image that takes over these children and sockets; it only returns by OSError.

    Signals wait from here on until the new one can take them.
    """
    variables = {PREDECESSORS_VARIABLE: " ".join(map(str, children))}
    if sockets:
        variables |= zip(LISTEN_VARIABLES, (str(os.getpid()), str(len(sockets)), ""), strict=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    # First out of the way of each other; nothing else is kept open, so nothing else can be overwritten.
    above = FIRST_DESCRIPTOR + len(sockets)
    for number, copy in enumerate([fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, above) for each in sockets]):
        os.dup2(copy, FIRST_DESCRIPTOR + number, inheritable=True)
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **variables})  # noqa: S606


def predecessors() -> list[int]:
    """The children that the supervisor before us in this process has left to us and that still run."""
    told = os.environ.pop(PREDECESSORS_VARIABLE, "")
    return [pid for pid in map(int, told.split()) if _is_our_child(pid)]


def _is_our_child(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False
