"""The first campaign: every fault that one Redis, its disks, its network and its processes can have."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from chaos.campaign import Campaign
from chaos.clocks import SteppedClock
from chaos.disks import Disk
from chaos.faults import BY_NAME, KINDS
from chaos.pipeline import Pipeline
from chaos.plan import Plan
from chaos.records import Records
from chaos.redis_servers import RedisServer
from chaos.scene import OneRedis

REDIS_DISK_BYTES = 1024 * 2**20
SPOOL_DISK_BYTES = 64 * 2**20


async def break_everything(console: Console, folder: Path, plan: Plan) -> Records:
    """The whole of it, or the faults that the plan is narrowed to."""
    redis_disk = Disk(folder / "redis-disk", REDIS_DISK_BYTES)
    spool_disk = Disk(folder / "pipeline" / "spool", SPOOL_DISK_BYTES)
    redis = RedisServer(redis_disk.folder / "data", folder)
    clock = SteppedClock(folder)
    await redis.start()
    try:
        async with Pipeline(
            folder / "pipeline", redis=redis.address, clock=clock if clock.is_there else None
        ) as pipeline:
            scene = OneRedis(
                pipeline=pipeline,
                is_quick=plan.is_quick,
                kills=[],
                redis=redis,
                redis_disk=redis_disk,
                spool_disk=spool_disk,
            )
            kinds = [BY_NAME[name] for name in plan.only] or KINDS
            return await Campaign(console, plan, scene, kinds).run()
    finally:
        await redis.stop()
