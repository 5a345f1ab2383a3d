"""The receiver's life: serve; on SIGTERM stop accepting, answer what has come and still comes, end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import web
from redis.asyncio import Redis as AsyncRedis

from hookline.acknowledged import Acknowledgement
from hookline.intake import CommitScript
from hookline.settings import Receiver, Settings
from hookline_receiver.commit import GroupCommitter
from hookline_receiver.detour import Detour
from hookline_receiver.drain import Drain
from hookline_receiver.endpoints import Endpoint
from hookline_receiver.health import health
from hookline_receiver.ingest import Ingest
from hookline_receiver.listening import BACKLOG, Sockets, address, stop_accepting
from hookline_receiver.pressure import Pressure
from hookline_receiver.reporting import Reporter
from hookline_receiver.scraping import add_scraping
from hookline_receiver.server import DeliveryServer
from hookline_receiver.spool import Spool
from hookline_receiver.standing import Standing
from hookline_receiver.tally import Tally

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer

COLLECT_AFTER = (10_000, 20, 20)
"""A delivery leaves no cycles behind; the collector, looking every 700 objects, finds nothing."""
HEALTH_SHUTDOWN_SECONDS = 2.0
CANCEL_AGAIN_SECONDS = 0.1
SAME_SIGNAL_SECONDS = 1.0
"""Ctrl-C reaches a receiver twice, from the terminal and from its supervisor."""

log = structlog.get_logger(__name__)


class StopSignals:
    """SIGTERM and SIGINT: the first one is to stop, another one is to stop at once."""

    def __init__(self) -> None:
        self.stopping, self.hurrying = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._first_at = 0.0
        for signum in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(signum, self._take)

    def _take(self) -> None:
        if not self.stopping.is_set():
            self._first_at = self._loop.time()
            self.stopping.set()
        elif self._loop.time() - self._first_at > SAME_SIGNAL_SECONDS:
            self.hurrying.set()


def run(
    settings: Settings,
    endpoints: Mapping[str, Endpoint],
    redis: AsyncRedis,
    sockets: Sockets,
    ready: Callable[[], None] = lambda: None,
    tracer: Tracer | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called when connections are accepted.

    `redis` must not be connected yet: it belongs to this process alone.
    """
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with tracer or contextlib.nullcontext():
        asyncio.run(serve(settings, endpoints, redis, sockets, ready, tracer))


async def serve(
    settings: Settings,
    endpoints: Mapping[str, Endpoint],
    redis: AsyncRedis,
    sockets: Sockets,
    ready: Callable[[], None] = lambda: None,
    tracer: Tracer | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way."""
    told = StopSignals()
    commit = CommitScript(redis, settings.worker.queue, Acknowledgement.of(settings.redis))
    detour = Detour(Spool(settings.spool.folder, settings.spool.max_bytes) if settings.spool.folder else None)
    tally = Tally()
    standing = Standing(detour, told.stopping, address(sockets.admin), settings.spool)
    reporter = Reporter(
        redis, tally, standing, {name: each.secrets_digest for name, each in endpoints.items() if each.verify}
    )
    committer = GroupCommitter(
        commit,
        timeout_seconds=settings.redis.commit_timeout_seconds,
        max_waiting_bytes=settings.receiver.max_waiting_bytes,
        connections=lambda: len(server.connections),
        detour=detour,
        tally=tally,
    )
    server = DeliveryServer(
        Ingest(endpoints, committer, settings.receiver, tally, tracer),
        idle_timeout_seconds=settings.receiver.idle_timeout_seconds,
    )
    admin = health(redis, told.stopping, detour)
    add_scraping(admin, settings, standing)
    checks = web.AppRunner(admin, access_log=None, shutdown_timeout=HEALTH_SHUTDOWN_SECONDS)
    watches = _watches(settings, redis, commit, detour, list(endpoints))
    watches.append(asyncio.create_task(reporter.run()))
    try:
        listening = await asyncio.get_running_loop().create_server(
            server, sock=sockets.deliveries, backlog=BACKLOG
        )
        await checks.setup()
        await web.SockSite(checks, sockets.admin).start()
        log.info("receiver is listening", url=address(sockets.deliveries), admin=address(sockets.admin))
        ready()
        await told.stopping.wait()
        log.info("receiver is stopping")
        await stop_accepting(listening, sockets.deliveries, server)
        ends = [_see_off(server, told, settings.receiver)]
        if sockets.is_admin_shared:  # whoever shares it answers for itself
            ends.append(checks.cleanup())
        await asyncio.gather(*ends)
    finally:
        await committer.drain()
        await checks.cleanup()
        await end_watches(watches)
        await reporter.sign_off()
        if detour.spool:
            await detour.spool.close()
        with contextlib.suppress(Exception):  # the connection may be broken, and we are leaving anyway
            await redis.aclose()
    log.info("receiver has stopped")


async def _see_off(server: DeliveryServer, told: StopSignals, settings: Receiver) -> None:
    """Let the connections end of themselves, but for no longer than anybody has patience."""
    ends = [
        asyncio.ensure_future(each)
        for each in (
            server.leave(min(settings.linger_seconds, settings.shutdown_seconds)),
            told.hurrying.wait(),
        )
    ]
    await asyncio.wait(ends, timeout=settings.shutdown_seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in ends:
        each.cancel()
    server.cut()


def _watches(
    settings: Settings, redis: AsyncRedis, commit: CommitScript, detour: Detour, sources: list[str]
) -> list[asyncio.Task[None]]:
    """The tasks that look every second whether Redis has enough, and whether it is back."""
    watches = [Pressure(redis, settings.receiver, sources, detour).watch()]
    if detour.spool:
        timeout_seconds = settings.redis.commit_timeout_seconds
        commit_again = partial(commit, again=True)
        drain = Drain(detour.spool, commit_again, redis, detour, timeout_seconds=timeout_seconds)
        watches.append(drain.run())
    return [asyncio.create_task(watch) for watch in watches]


async def end_watches(watches: list[asyncio.Task[None]]) -> None:
    """Cancel them until they are: now and then redis-py takes a cancellation for itself, and it is gone."""
    while left := [watch for watch in watches if not watch.done()]:
        for watch in left:
            watch.cancel()
        await asyncio.wait(left, timeout=CANCEL_AGAIN_SECONDS)
