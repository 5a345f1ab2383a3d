"""The admin port: `/healthz`, the process is alive; `/readyz`, a delivery would be accepted now."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import is_unavailable
from hookline_receiver.detour import Detour
from hookline_receiver.spool import Spool
from hookline_receiver.standing import spooled

READY_KEY = "hookline:ready"
READY_SECONDS = 2.0

log = structlog.get_logger(__name__)


def health(redis: AsyncRedis, stopping: asyncio.Event, detour: Detour) -> web.Application:
    """The application for the admin port; it is not ready any more once `stopping` is set."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        if stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        waiting = await _waiting(detour.spool)
        if detour.hold.reason:
            status = "redis has enough"
        elif await _takes_writes(redis):
            return web.json_response({"status": "ready"} | waiting)
        else:
            status = "redis does not take commits"
        if detour.spool and await detour.spool.takes():
            return web.json_response({"status": "spooling"} | waiting)
        return web.json_response({"status": status} | waiting, status=503)

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    return app


async def _waiting(spool: Spool | None) -> dict[str, str | int]:
    """What waits in the spool; nothing is said without one, or while its disk doesn't answer."""
    totals = await spooled(spool)
    if totals is None:
        return {}
    return {"spooled_events": totals.events, "spooled_bytes": totals.size_bytes}


async def try_write(redis: AsyncRedis) -> None:
    """Write something; raises whatever Redis says. A full one, or a replica, answers a PING just as well."""
    async with asyncio.timeout(READY_SECONDS):
        await redis.set(READY_KEY, 1, px=60_000)


async def _takes_writes(redis: AsyncRedis) -> bool:
    """Whether Redis is there and takes a write."""
    try:
        await try_write(redis)
    except Exception as error:  # anything at all means: not ready
        if not isinstance(error, TimeoutError) and not is_unavailable(error):
            log.exception("the readiness check failed")
        return False
    return True
