"""Whether Redis takes writes by the workers' way, asked all the time: what could be recorded, and when."""

from __future__ import annotations

import asyncio
import time

import redis.asyncio

from chaos.records import Write

PAUSE_SECONDS = 0.02
PATIENCE_SECONDS = 3.0
WAIT_MS = 1000
KEY = "chaos:probe"


async def keep_writing(
    client: redis.asyncio.Redis, writes: list[Write], over: asyncio.Event, *, replicas: int = 0
) -> None:
    """Write to Redis again and again until it is over, and close the client.

    A write is done when so many replicas have it.

    It must not be cancelled: redis-py may take that for a time-out of its own.
    """
    try:
        due = time.monotonic()
        while not over.is_set():
            try:
                await client.set(KEY, 1)
                is_done = not replicas or await client.wait(replicas, WAIT_MS) >= replicas
            except (redis.RedisError, OSError):
                is_done = False
            writes.append(Write(due, time.monotonic(), is_done))
            due = time.monotonic() + PAUSE_SECONDS
            await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await client.aclose()
