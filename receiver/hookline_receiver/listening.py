"""The listening sockets: inherited, as systemd passes them (sd_listen_fds(3)), or bound here.

Whoever passes a socket keeps it open, so that receivers come and go while connections wait in its backlog.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, MutableMapping
from typing import NamedTuple

from hookline.errors import SettingsError
from hookline.settings import Receiver
from hookline.succession import FIRST_DESCRIPTOR, LISTEN_VARIABLES

BACKLOG = 4096
"""Connections that may wait while one receiver takes over from another; the kernel may allow fewer."""
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
ADMIN_NAME = "admin"
"""What the admin port's socket may be called in LISTEN_FDNAMES; without it, it is the second one."""


class Sockets(NamedTuple):
    """Where deliveries and the admin port's requests come in."""

    deliveries: socket.socket
    admin: socket.socket
    is_admin_shared: bool = False
    """Whether others may be listening there as well, or will be when this process is gone."""


def open_sockets(settings: Receiver, environ: MutableMapping[str, str] = os.environ) -> Sockets:
    """The sockets that this process was given, and bound ones in the place of those that it was not.

    Raises SettingsError for a descriptor that nothing can be accepted from, and for a port in use.
    """
    given = inherited(environ)
    admins = [listener for name, listener in given if name == ADMIN_NAME]
    others = [listener for name, listener in given if name != ADMIN_NAME]
    if not admins:
        admins = [others.pop(1)] if len(others) > 1 else []
    if surplus := len(admins[1:]) + len(others[1:]):
        raise SettingsError(
            f"LISTEN_FDS: {surplus} more than the two sockets that a receiver has; "
            "pass one for deliveries, and one for the admin port"
        )
    return Sockets(
        others[0] if others else _bind("receiver.port", settings.host, settings.port),
        admins[0] if admins else _bind("receiver.admin_port", settings.admin_host, settings.admin_port),
        is_admin_shared=bool(admins),
    )


def inherited(environ: MutableMapping[str, str]) -> list[tuple[str, socket.socket]]:
    """The sockets that were passed to this very process, in their order, each with the name that it has.

    The variables are removed, so that no child takes them for its own.
    """
    pid, count, names = (environ.pop(name, "") for name in LISTEN_VARIABLES)
    if pid != str(os.getpid()) or not count:
        return []
    if not count.isdecimal():
        raise SettingsError(f"LISTEN_FDS: {count!r} is no number of sockets; let systemd set it")
    named = dict(enumerate(names.split(":")))
    return [(named.get(number, ""), _adopt(FIRST_DESCRIPTOR + number)) for number in range(int(count))]


def _adopt(descriptor: int) -> socket.socket:
    """The listening socket behind a descriptor, which from now on is not passed on by an exec."""
    try:
        os.set_inheritable(descriptor, False)
        adopted = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SettingsError(
            f"LISTEN_FDS: descriptor {descriptor} is no socket ({error.strerror}); pass a listening one"
        ) from error
    is_stream = adopted.family in FAMILIES and adopted.type == socket.SOCK_STREAM
    if not is_stream or not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        adopted.detach()
        raise SettingsError(
            f"LISTEN_FDS: descriptor {descriptor} is not a TCP or Unix socket that listens; "
            "in a systemd unit it is ListenStream=, with Accept=no"
        )
    return adopted


def _bind(setting: str, host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # which would tell the address again
        raise SettingsError(f"{setting}: cannot listen on {host}:{port}: {reason}; choose another") from error


def address(listener: socket.socket) -> str:
    """`http://host:port` of a listening socket, or `unix:path`."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def stop_accepting(
    listening: asyncio.Server, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]
) -> None:
    """Close the listener once everything that waits in its backlog is accepted.

    Closing resets what still waits, unless another process has the same socket; which one cannot know.
    """
    loop = asyncio.get_running_loop()
    loop.remove_reader(listener)
    await asyncio.sleep(0)  # what asyncio has accepted is still to become a connection of an open server
    waiting: list[socket.socket] = []
    with contextlib.suppress(OSError):  # mostly: nothing waits any more
        while len(waiting) < BACKLOG:
            waiting.append(listener.accept()[0])
    listening.close()
    await asyncio.gather(
        *(loop.connect_accepted_socket(protocol, each) for each in waiting), return_exceptions=True
    )
