"""Faults that end processes: kill -9, and SIGTERM in a rolling restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable

from chaos.pipeline import RECEIVERS, WORKERS
from chaos.programs import Program
from chaos.records import Kill
from chaos.scene import REPLACED_SECONDS, OneRedis, Scene

_BREATH_SECONDS = 0.1
"""Looking for children holds up our own proxies: what was held up so must not be what a kill finds."""


async def kill_receiver(scene: Scene) -> str:
    """kill -9 of one of the receivers; a supervisor starts another."""
    pipeline = scene.pipeline
    victim = scene.random.choice(pipeline.receivers)
    scene.kill(victim, "kill-receiver")
    pipeline.receivers.remove(victim)
    return victim.name


async def kill_worker(scene: Scene) -> str:
    """kill -9 of a worker and not of its children."""
    victim = scene.random.choice(scene.pipeline.workers)
    scene.kill(victim, "kill-worker")
    scene.pipeline.workers.remove(victim)
    return victim.name


async def kill_machine(scene: Scene) -> str:
    """kill -9 of a worker and all of its children at once, as when their machine loses its power."""
    victim = scene.random.choice(scene.pipeline.workers)
    children = victim.children()
    await asyncio.sleep(_BREATH_SECONDS)
    at = scene.kill(victim, "kill-machine")
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        scene.kills.append(Kill(pid, at, "kill-machine"))
    scene.pipeline.workers.remove(victim)
    return f"{victim.name} with {len(children)} children"


async def kill_child(scene: Scene) -> str:
    """kill -9 of one of a worker's children."""
    children = [pid for worker in scene.pipeline.workers for pid in worker.children()]
    if not children:
        return "there was none"
    victim = scene.random.choice(children)
    await asyncio.sleep(_BREATH_SECONDS)
    scene.kills.append(Kill(victim, time.monotonic(), "kill-child"))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return f"process {victim}"


async def kill_redis(scene: OneRedis) -> str:
    """kill -9 of Redis; a supervisor starts it again."""
    scene.redis.signal(signal.SIGKILL)
    await asyncio.sleep(0.1)
    await scene.redis.until_answering()
    return ""


async def pause_redis(scene: OneRedis) -> str:
    """SIGSTOP of Redis, and SIGCONT after 10 s."""
    seconds = scene.seconds(10.0, 4.0)
    scene.redis.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        scene.redis.signal(signal.SIGCONT)
    return f"{seconds:g} s"


async def roll_receivers(scene: Scene) -> str:
    """Every receiver replaced, one at a time: a new one starts, and the old one gets SIGTERM."""
    return await _roll(scene.pipeline.receivers, scene.pipeline.start_receiver)


async def roll_workers(scene: Scene) -> str:
    """The same with the workers."""
    return await _roll(scene.pipeline.workers, scene.pipeline.start_worker)


async def replace_the_dead(scene: Scene) -> None:
    """What a supervisor does: start as many receivers and workers as there should be."""
    pipeline = scene.pipeline
    if len(pipeline.receivers) == RECEIVERS and len(pipeline.workers) == WORKERS:
        return
    await asyncio.sleep(REPLACED_SECONDS)
    while len(pipeline.receivers) < RECEIVERS:
        await pipeline.start_receiver()
    while len(pipeline.workers) < WORKERS:
        await pipeline.start_worker()


async def _roll(programs: list[Program], start: Callable[[], Awaitable[Program]]) -> str:
    old = list(programs)
    statuses = []
    for program in old:
        await start()
        programs.remove(program)
        statuses.append(await program.terminate())
    return f"{len(old)} replaced, exit statuses {statuses}"
