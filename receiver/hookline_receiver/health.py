"""The admin port: `/healthz`, the process is alive; `/readyz`, a commit would succeed now."""

from __future__ import annotations

import asyncio

import structlog
from aiohttp import web
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import is_unavailable

READY_KEY = "hookline:ready"
READY_SECONDS = 2.0

log = structlog.get_logger(__name__)


def health(redis: AsyncRedis, stopping: asyncio.Event) -> web.Application:
    """The application for the admin port; it is not ready any more once `stopping` is set."""

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(_: web.Request) -> web.Response:
        if stopping.is_set():
            return web.json_response({"status": "stopping"}, status=503)
        if not await _takes_writes(redis):
            return web.json_response({"status": "redis does not take commits"}, status=503)
        return web.json_response({"status": "ready"})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    return app


async def _takes_writes(redis: AsyncRedis) -> bool:
    """Whether Redis is there and takes a write: a full one, or a replica, answers a PING just as well."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            await redis.set(READY_KEY, 1, px=60_000)
    except Exception as error:  # anything at all means: not ready
        if not isinstance(error, TimeoutError) and not is_unavailable(error):
            log.exception("the readiness check failed")
        return False
    return True
