"""Workers replaced one at a time while events flow: every run is executed once, and none is cut."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from hookline.workbench import WORKER_READY

if TYPE_CHECKING:
    from conftest import Pipeline

PAUSE_SECONDS = 0.15
PLUGIN = """
    import asyncio, random

    @action(misskey.Note)
    async def slow(event, ctx):
        tell(f"start {ctx.event_id}")
        await asyncio.sleep(random.uniform(0.5, 1.5))
        tell(f"end {ctx.event_id}")
"""


@contextlib.asynccontextmanager
async def events(pipeline: Pipeline) -> AsyncIterator[list[str]]:
    """Events that come one after another; at the end each of them is finished."""
    sent: list[str] = []
    over = asyncio.Event()

    async def send() -> None:
        while not over.is_set():
            answer = await pipeline.post("misskey", "note", len(sent))
            sent.append((answer.body or {})["id"])
            await asyncio.sleep(PAUSE_SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        yield sent
        over.set()
    pipeline.wait_until_finished(len(sent))


def starts(pipeline: Pipeline) -> int:
    """How many runs have begun."""
    return sum(line.startswith("start") for line in pipeline.told())


def assert_each_ran_once(pipeline: Pipeline, sent: list[str]) -> None:
    """From its start to its end, in one attempt."""
    expected = [f"{what} {event_id}" for what in ("start", "end") for event_id in sent]
    assert Counter(pipeline.told()) == dict.fromkeys(expected, 1)
    assert pipeline.states() == {"done": len(sent)}
    assert all(len(pipeline.runs(event_id)["plugin.slow"].attempts) == 1 for event_id in sent)


@pytest.mark.parametrize("options", [[], ["--no-fork"]])
async def test_workers_replaced_one_at_a_time_run_everything_once(
    pipeline: Pipeline, options: list[str]
) -> None:
    """Each is stopped in the midst of runs, which it ends while the others take what comes."""
    pipeline.plugin("plugin", PLUGIN)
    pipeline.start_receiver()
    workers = [pipeline.start_worker(*options) for _ in range(2)]
    async with events(pipeline) as sent:
        for _ in range(2):
            seen = starts(pipeline)
            await asyncio.to_thread(pipeline.wait_for, lambda n=seen: starts(pipeline) > n + 2, "more runs")
            workers.append(await asyncio.to_thread(pipeline.start_worker, *options))
            assert await asyncio.to_thread(workers.pop(0).stop) == 0
    assert_each_ran_once(pipeline, sent)


async def test_sighup_replaces_the_processes_of_a_worker_by_ones_with_the_plugins_as_they_are(
    pipeline: Pipeline,
) -> None:
    """One after another; a plugin that does not load leaves them as they are."""
    pipeline.plugin("plugin", PLUGIN)
    pipeline.start_receiver()
    worker = pipeline.start_worker("--processes", "2")

    def said(event: str) -> int:
        return sum(line["event"] == event for line in list(pipeline.log))

    async with events(pipeline) as sent:
        await asyncio.to_thread(pipeline.wait_for, lambda: starts(pipeline) > 2, "runs")
        pipeline.plugin("added", "this is no Python")
        worker.signal(signal.SIGHUP)
        broken = "worker processes go on as they are: new ones would not start"
        await asyncio.to_thread(pipeline.wait_for, lambda: said(broken), "the refusal")
        assert said("worker has stopped") == 0
        pipeline.plugin("added", "@action(misskey.Mention)\ndef added(event): tell('added')")
        worker.signal(signal.SIGHUP)
        await asyncio.to_thread(pipeline.wait_for, lambda: said("worker has stopped") == 2, "the end of both")
    assert_each_ran_once(pipeline, sent)
    await pipeline.post("misskey", "mention")
    pipeline.wait_for(lambda: "added" in pipeline.told(), "a run of the new plugin")
    assert said(WORKER_READY) == 4
    assert worker.stop() == 0
