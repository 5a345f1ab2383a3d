"""A flood of slow events of one source does not hold up the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hookline.queue import GROUP_EVENTS

if TYPE_CHECKING:
    from conftest import Pipeline

FLOOD_GROUPS = 30
PLUGIN = """
import asyncio, os
@action(misskey.Note)
async def slow(event):
    tell("slow")
    while not os.path.exists({gate!r}):
        await asyncio.sleep(0.05)

@action(esa.PostCreate)
async def quick(event):
    tell("quick")
"""


@pytest.mark.parametrize("options", [(), ("--no-fork",)], ids=["forking", "no fork"])
async def test_an_event_overtakes_another_sources_flood_that_does_not_end(
    pipeline: Pipeline, options: tuple[str, ...]
) -> None:
    """The flood's runs end only after the other source's event is done, so nothing can wait for them."""
    gate = pipeline.folder / "gate"
    pipeline.configure("max_children = 4\nslice_seconds = 0.1")
    pipeline.plugin("flood", PLUGIN.format(gate=str(gate)))
    pipeline.start_receiver()
    flood = await pipeline.post_many("note", FLOOD_GROUPS * GROUP_EVENTS)
    pipeline.enqueue_in_groups(flood, GROUP_EVENTS)
    for job_id in pipeline.store.redis.lrange("rq:queue:hookline", 0, -1):
        pipeline.store.redis.hset(b"rq:job:" + job_id, "lane", "misskey")
    pipeline.start_worker(*options)
    pipeline.wait_for(lambda: pipeline.told().count("slow") == 3 * GROUP_EVENTS, "three quarters of a worker")

    await pipeline.post("esa", "post_create")
    pipeline.wait_for(lambda: "quick" in pipeline.told(), "the other source's event")

    assert pipeline.told().count("slow") == 3 * GROUP_EVENTS
    gate.touch()
    pipeline.wait_until_finished(len(flood) + 1)
    assert pipeline.told().count("slow") == len(flood)
