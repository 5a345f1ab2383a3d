"""Faults that leave every process alive: full memory, full disks, a broken network, a clock that is wrong."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from chaos.network import Proxy
from chaos.scene import OneRedis, Scene

HOUR_SECONDS = 3600


async def redis_full(scene: OneRedis) -> str:
    """Redis out of memory: maxmemory below what is used, for some seconds."""
    redis = scene.redis
    await redis.configure("maxmemory", max(1, await redis.used_memory() // 2))
    try:
        await asyncio.sleep(scene.seconds(6.0, 3.0))
    finally:
        await redis.configure("maxmemory", 0)
    return ""


async def redis_disk_full(scene: OneRedis) -> str:
    """No room for the append-only file: Redis ends itself, and a supervisor starts it until it has room."""
    pid = scene.redis.pid
    scene.redis_disk.fill()
    try:
        await asyncio.sleep(scene.seconds(6.0, 3.0))
    finally:
        scene.redis_disk.make_room()
    await scene.redis.until_answering()
    return "redis ended and was started again" if scene.redis.pid != pid else "redis lived"


async def spool_disk_full(scene: OneRedis) -> str:
    """No room for the spool while Redis is away: there is nowhere left to put a delivery."""
    scene.spool_disk.fill()
    scene.redis.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(scene.seconds(6.0, 4.0))
    finally:
        scene.redis.signal(signal.SIGCONT)
        scene.spool_disk.make_room()
    return ""


async def cut_senders(scene: Scene) -> str:
    """Every connection between senders and receivers reset, and none made, for some seconds."""
    return await _broken(
        scene.pipeline.to_receivers, scene.pipeline.to_receivers.cut, scene.seconds(4.0, 2.0)
    )


async def cut_receivers(scene: Scene) -> str:
    """The same between receivers and Redis."""
    proxy = scene.pipeline.receivers_to_redis
    return await _broken(proxy, proxy.cut, scene.seconds(6.0, 3.0))


async def cut_workers(scene: Scene) -> str:
    """The same between workers and Redis."""
    proxy = scene.pipeline.workers_to_redis
    return await _broken(proxy, proxy.cut, scene.seconds(6.0, 3.0))


async def swallow_senders(scene: Scene) -> str:
    """Nothing gets through between senders and receivers, and nothing is refused, for some seconds."""
    proxy = scene.pipeline.to_receivers
    return await _broken(proxy, proxy.swallow, scene.seconds(7.0, 2.0))


async def swallow_receivers(scene: Scene) -> str:
    """The same between receivers and Redis: commits that were given up arrive late."""
    proxy = scene.pipeline.receivers_to_redis
    return await _broken(proxy, proxy.swallow, scene.seconds(6.0, 4.0))


async def swallow_workers(scene: Scene) -> str:
    """The same between workers and Redis, for less than a lease."""
    proxy = scene.pipeline.workers_to_redis
    return await _broken(proxy, proxy.swallow, scene.seconds(6.0, 4.0))


async def slow_redis(scene: Scene) -> str:
    """A fifth of a second more each way to and from Redis."""
    proxies = (scene.pipeline.receivers_to_redis, scene.pipeline.workers_to_redis)
    for proxy in proxies:
        proxy.delay_seconds = 0.2
    try:
        await asyncio.sleep(scene.seconds(6.0, 3.0))
    finally:
        for proxy in proxies:
            proxy.heal()
    return ""


async def clock_forwards(scene: Scene) -> str:
    """The clock of one receiver and one worker is an hour ahead, and then right again."""
    return await _stepped(scene, HOUR_SECONDS)


async def clock_back(scene: Scene) -> str:
    """The clock of one receiver and one worker is an hour behind, and then right again."""
    return await _stepped(scene, -HOUR_SECONDS)


async def _stepped(scene: Scene, offset_seconds: int) -> str:
    clock = scene.pipeline.clock
    if clock is None:
        return "no clock to step"
    clock.step(offset_seconds)
    try:
        await asyncio.sleep(scene.seconds(8.0, 4.0))
    finally:
        clock.step(0)
    await asyncio.sleep(clock.CACHE_SECONDS)
    return ""


async def _broken(proxy: Proxy, break_it: Callable[[], None], seconds: float) -> str:
    break_it()
    try:
        await asyncio.sleep(seconds)
    finally:
        proxy.heal()
    return f"{seconds:g} s"
