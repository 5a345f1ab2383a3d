"""The second campaign: the primary of a Sentinel set killed or frozen, and brought back as a replica."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from chaos.campaign import Campaign
from chaos.faults import FaultKind
from chaos.pipeline import Pipeline
from chaos.plan import Plan
from chaos.records import Records
from chaos.scene import Sentinels
from chaos.sentinels import SentinelSet

SETTINGS = 'ack = "replica"'


async def kill_primary(scene: Sentinels) -> str:
    """kill -9 of the primary; a replica takes its place, and it comes back as a replica of that one."""
    old = await asyncio.to_thread(scene.sentinels.kill_primary)
    new = await asyncio.to_thread(scene.sentinels.wait_for_failover, old)
    await asyncio.to_thread(scene.sentinels.restart, old)
    return f"{old.name}, replaced by {new.name}"


async def freeze_primary(scene: Sentinels) -> str:
    """SIGSTOP of the primary; a replica takes its place, and it goes on, as if it still were the primary."""
    old = await asyncio.to_thread(scene.sentinels.primary)
    old.freeze()
    try:
        new = await asyncio.to_thread(scene.sentinels.wait_for_failover, old)
    finally:
        old.thaw()
    return f"{old.name}, replaced by {new.name}"


KINDS = (
    FaultKind("kill-primary", kill_primary),
    FaultKind("freeze-primary", freeze_primary),
)


async def fail_over(console: Console, folder: Path, plan: Plan) -> Records:
    """The whole of it."""
    with SentinelSet() as sentinels:
        async with Pipeline(
            folder / "pipeline", redis_url=sentinels.url, redis_settings=SETTINGS
        ) as pipeline:
            scene = Sentinels(pipeline=pipeline, is_quick=plan.is_quick, kills=[], sentinels=sentinels)
            return await Campaign(console, plan, scene, KINDS).run()
