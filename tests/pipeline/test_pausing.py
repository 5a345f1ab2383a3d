"""What is paused waits, and nothing else does; when it is resumed, all of it runs, each once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hookline.keys import COUNTERS_KEY
from hookline.lanes import action_lane, source_lane

if TYPE_CHECKING:
    from conftest import Pipeline

KINDS = [(), ("--no-fork",)]
PLUGIN = """
@action("*")
async def one(event, ctx):
    tell(f"one {ctx.event_id}")

@action("misskey.*")
async def two(event, ctx):
    tell(f"two {ctx.event_id}")
"""
FAILING = """
@action(misskey.Note, attempts=3)
async def fails(event, ctx):
    tell(f"fails {ctx.event_id}")
    raise Retry(after=1)

@action(misskey.Note)
async def waits(event, ctx):
    tell(f"waits {ctx.event_id}")
"""


def number(pipeline: Pipeline, counter: str) -> int:
    """What a counter has."""
    return int(pipeline.store.redis.hget(COUNTERS_KEY, counter) or 0)


@pytest.mark.parametrize("options", KINDS, ids=["forking", "no fork"])
async def test_events_of_a_paused_source_wait_for_it_to_be_resumed(
    pipeline: Pipeline, options: tuple[str, ...]
) -> None:
    """Those of another one run meanwhile, also where a job names events of both."""
    pipeline.plugin("each", PLUGIN)
    pipeline.start_receiver()
    notes = await pipeline.post_many("note", 70)
    answer = await pipeline.post("esa", "post_create")
    other = str((answer.body or {})["id"])
    pipeline.enqueue_together([*notes, other])
    assert pipeline.store.pause(source_lane("misskey"))
    pipeline.start_worker(*options)
    pipeline.wait_for(lambda: pipeline.state(other) == "done", "the other source's event")

    later = await pipeline.post_many("mention", 3)
    await pipeline.post("esa", "post_update")
    pipeline.wait_for(lambda: pipeline.states()["done"] == 2, "the other source's next event")

    assert {pipeline.state(each) for each in (*notes, *later)} == {"queued"}
    assert len(pipeline.told()) == 2
    assert pipeline.store.resume(source_lane("misskey"))
    pipeline.wait_until_finished(75)
    assert Counter(pipeline.told()).most_common(1)[0][1] == 1
    assert len(pipeline.told()) == 2 * 73 + 2


@pytest.mark.parametrize("options", KINDS, ids=["forking", "no fork"])
async def test_runs_of_a_paused_action_wait_while_the_events_other_runs_go_on(
    pipeline: Pipeline, options: tuple[str, ...]
) -> None:
    """The event is then `paused`, and done when the action is resumed."""
    pipeline.plugin("each", PLUGIN)
    pipeline.start_receiver()
    pipeline.store.pause(action_lane("each.two"))
    pipeline.start_worker(*options)
    notes = await pipeline.post_many("note", 20)
    pipeline.wait_for(lambda: pipeline.states() == {"paused": 20}, "the other runs")
    assert sorted(pipeline.told()) == sorted(f"one {event_id}" for event_id in notes)
    assert {run.state for run in pipeline.runs(notes[0]).values()} == {"done", "paused"}
    assert number(pipeline, "paused:misskey") == number(pipeline, "open:misskey") == 20

    pipeline.store.resume(action_lane("each.two"))

    pipeline.wait_until_finished(20)
    assert sorted(pipeline.told()) == sorted(
        f"{each} {event_id}" for event_id in notes for each in ("one", "two")
    )
    assert pipeline.states() == {"done": 20}
    assert number(pipeline, "paused:misskey") == number(pipeline, "open:misskey") == 0


async def test_a_pause_and_retries_do_not_get_in_each_others_way(pipeline: Pipeline) -> None:
    """One action of an event is tried again and gives up while the other's runs wait."""
    pipeline.plugin("both", FAILING)
    pipeline.start_receiver()
    pipeline.store.pause(action_lane("both.waits"))
    pipeline.start_worker()
    (note,) = await pipeline.post_many("note", 1)
    pipeline.wait_for(lambda: pipeline.state(note) == "paused", "the last attempt")
    assert pipeline.told() == [f"fails {note}"] * 3
    assert (number(pipeline, "retrying:misskey"), number(pipeline, "paused:misskey")) == (0, 1)

    pipeline.store.resume(action_lane("both.waits"))
    pipeline.wait_until_finished(1)

    assert pipeline.told()[3:] == [f"waits {note}"]
    assert pipeline.state(note) == "dead"
    assert number(pipeline, "paused:misskey") == 0


async def test_what_waits_for_its_action_is_not_taken_for_lost(pipeline: Pipeline) -> None:
    """Nor is it run by whoever takes over from a worker that dies."""
    pipeline.plugin("each", PLUGIN)
    pipeline.start_receiver()
    pipeline.store.pause(action_lane("each.two"))
    first = pipeline.start_worker()
    notes = await pipeline.post_many("note", 5)
    pipeline.wait_for(lambda: pipeline.states() == {"paused": 5}, "the other runs")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    pipeline.start_worker()
    later = await pipeline.post("esa", "post_create")
    pipeline.wait_for(lambda: pipeline.state(str((later.body or {})["id"])) == "done", "the new worker")
    pipeline.store.resume(action_lane("each.two"))
    pipeline.wait_until_finished(6)
    assert Counter(line.split()[0] for line in pipeline.told()) == {"one": 6, "two": 5}
    assert not [line for line in pipeline.log if line.get("level") == "error"]
    assert pipeline.told().count(f"two {notes[0]}") == 1
