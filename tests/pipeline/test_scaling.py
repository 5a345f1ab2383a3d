"""As many workers as there is work for: the number to go by, and fewer workers without a run being cut."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Pipeline

GATED = """
    import asyncio
    from pathlib import Path

    @action(misskey.Note)
    async def gated(event, ctx):
        tell(f"start {{ctx.event_id}}")
        while not Path({gate!r}).exists():
            await asyncio.sleep(0.05)
        tell(f"end {{ctx.event_id}}")
"""
SLOW = """
    import asyncio

    @action(misskey.Note)
    async def slow(event, ctx):
        tell(f"start {ctx.event_id}")
        await asyncio.sleep(2)
        tell(f"end {ctx.event_id}")
"""


@pytest.mark.parametrize("options", [[], ["--no-fork"]], ids=" ".join)
async def test_from_three_workers_to_one_with_a_backlog_every_run_runs_once(
    pipeline: Pipeline, options: list[str]
) -> None:
    """Two of three are told to stop in the middle of runs, while more groups wait than the third can take."""
    pipeline.configure("max_children = 2")
    gate = pipeline.folder / "gate"
    pipeline.plugin("gated", GATED.format(gate=str(gate)))
    pipeline.start_receiver()
    events = await pipeline.post_many("note", 10)
    pipeline.enqueue_in_groups(events, 1)
    stays, *leaving = [pipeline.start_worker(*options) for _ in range(3)]
    pipeline.wait_for(lambda: len(pipeline.told()) == 6, "two runs on every worker")

    for worker in leaving:
        worker.signal(signal.SIGTERM)
    gate.touch()
    assert [worker.wait() for worker in leaving] == [0, 0]
    pipeline.wait_until_finished(len(events))

    expected = [f"{what} {event_id}" for what in ("start", "end") for event_id in events]
    assert Counter(pipeline.told()) == dict.fromkeys(expected, 1)
    assert pipeline.states() == {"done": len(events)}
    assert [len(run.attempts) for each in events for run in pipeline.runs(each).values()] == [1] * len(events)
    assert "handing over" not in pipeline.log_text()
    assert stays.exit_status is None


@pytest.mark.parametrize("options", [[], ["--no-fork"]], ids=" ".join)
async def test_a_stopping_worker_begins_no_further_run_of_its_group(
    pipeline: Pipeline, options: list[str]
) -> None:
    """Else the group could take longer than any run may, and whichever is under way by then would be cut."""
    pipeline.configure("concurrency = 1")
    pipeline.plugin("slow", SLOW)
    pipeline.start_receiver()
    events = await pipeline.post_many("note", 3)
    pipeline.enqueue_together(events)
    first = pipeline.start_worker(*options)
    pipeline.wait_for(lambda: len(pipeline.told()) == 1, "the first run")
    assert first.stop() == 0

    (begun,) = [event_id for event_id in events if f"start {event_id}" in pipeline.told()]
    assert pipeline.told() == [f"start {begun}", f"end {begun}"]
    assert pipeline.states() == {"done": 1, "queued": 2}
    assert "handing over" not in pipeline.log_text()
    pipeline.start_worker(*options)
    pipeline.wait_until_finished(3)
    assert Counter(pipeline.told()) == {f"{what} {each}": 1 for what in ("start", "end") for each in events}


async def test_keda_is_told_of_what_waits(pipeline: Pipeline) -> None:
    """By the path and the field that deploy/kubernetes/keda.yaml names."""
    manifest = Path(__file__).parents[2] / "deploy" / "kubernetes" / "keda.yaml"
    (trigger,) = yaml.safe_load(manifest.read_text())["spec"]["triggers"]
    path = trigger["metadata"]["url"].rpartition("/")[2]
    pipeline.start_receiver()
    await pipeline.post_many("note", 3)
    with await asyncio.to_thread(urllib.request.urlopen, f"{pipeline.admin_url}/{path}") as answer:
        assert json.load(answer)[trigger["metadata"]["valueLocation"]] == 3
