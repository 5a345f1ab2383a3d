"""The receiver's life: bind, serve; on SIGTERM stop accepting, commit what is under way, answer it, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Mapping

import structlog
from aiohttp import web
from redis.asyncio import Redis as AsyncRedis

from hookline.settings import Settings
from hookline.store import CommitScript
from hookline_receiver.commit import GroupCommitter
from hookline_receiver.health import health
from hookline_receiver.ingest import Endpoint, Ingest
from hookline_receiver.server import DeliveryServer

COLLECT_AFTER = (10_000, 20, 20)
"""A delivery leaves no cycles behind; the collector, looking every 700 objects, finds nothing."""
BACKLOG = 1024
HEALTH_SHUTDOWN_SECONDS = 2.0

log = structlog.get_logger(__name__)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, which processes forked from here on share; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def address(listener: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    settings: Settings,
    endpoints: Mapping[str, Endpoint],
    redis: AsyncRedis,
    listener: socket.socket,
    admin: socket.socket,
) -> None:
    """Serve until SIGTERM or SIGINT. `redis` must not be connected yet: it belongs to this process alone."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    asyncio.run(serve(settings, endpoints, redis, listener, admin))


async def serve(
    settings: Settings,
    endpoints: Mapping[str, Endpoint],
    redis: AsyncRedis,
    listener: socket.socket,
    admin: socket.socket,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)

    committer = GroupCommitter(
        CommitScript(redis, settings.worker.queue),
        timeout_seconds=settings.redis.commit_timeout_seconds,
        max_waiting_bytes=settings.receiver.max_waiting_bytes,
        connections=lambda: len(server.connections),
    )
    server = DeliveryServer(
        Ingest(endpoints, committer, settings.receiver),
        idle_timeout_seconds=settings.receiver.idle_timeout_seconds,
    )
    deliveries = web.ServerRunner(server, shutdown_timeout=settings.receiver.shutdown_seconds)
    checks = web.AppRunner(health(redis, stopping), access_log=None, shutdown_timeout=HEALTH_SHUTDOWN_SECONDS)
    try:
        for runner, sock in ((deliveries, listener), (checks, admin)):
            await runner.setup()
            await web.SockSite(runner, sock, backlog=BACKLOG).start()
        log.info("receiver is listening", url=address(listener), admin=address(admin))
        await stopping.wait()
        log.info("receiver is stopping")
    finally:
        await deliveries.cleanup()
        await committer.drain()
        await checks.cleanup()
        with contextlib.suppress(Exception):  # the connection may be broken, and we are leaving anyway
            await redis.aclose()
    log.info("receiver has stopped")
