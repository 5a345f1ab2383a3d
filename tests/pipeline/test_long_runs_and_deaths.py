"""Groups that outlive their slice, and the ways in which a process, a job or Redis can go away under them."""

from __future__ import annotations

import os
import pickle
import signal
import zlib
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from hookline.service import Service

if TYPE_CHECKING:
    from conftest import Pipeline

LONG = """
    import asyncio

    @action(misskey.Mention)
    async def long(event, ctx):
        tell(f"start {ctx.event_id}")
        await asyncio.sleep(SECONDS)
        tell(f"end {ctx.event_id}")

    @action(misskey.Note)
    async def quick(event, ctx):
        tell(f"quick {ctx.event_id}")
"""


def children_of(pid: int) -> list[int]:
    """The processes that it forked and that still live."""
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


def kill_whole(worker: Service) -> None:
    """kill -9 of a worker and its children, so that nobody is left to tell of it."""
    for pid in (worker.pid, *children_of(worker.pid)):
        os.kill(pid, signal.SIGKILL)
    worker.wait()


def be_quick(pipeline: Pipeline, plugin: str) -> None:
    """Have the plugin's long runs end at once, in the workers that are started from here on."""
    config = pipeline.folder / "hookline.toml"
    config.write_text(config.read_text() + f"\n[plugins.{plugin}]\nquick = true\n")


@pytest.mark.parametrize("options", [[], ["--no-fork"]])
async def test_several_long_groups_at_once_each_run_once(pipeline: Pipeline, options: list[str]) -> None:
    """Longer than a lease, beside each other and beside quick ones, and RQ is left with nothing of them."""
    pipeline.plugin("both", LONG.replace("SECONDS", "13"))
    pipeline.start_receiver()
    worker = pipeline.start_worker(*options)
    events = []
    for number in range(3):  # a group of its own each, as the worker takes it at once
        events.append((await pipeline.post("misskey", "mention", number)).body["id"])
        pipeline.wait_for(lambda n=number: len(pipeline.told()) == n + 1, "the start")
    quick = await pipeline.post_many("note", 3)

    pipeline.wait_until_finished(6)

    expected = [f"{what} {event_id}" for what in ("start", "end") for event_id in events]
    expected += [f"quick {event_id}" for event_id in quick]
    assert Counter(pipeline.told()) == dict.fromkeys(expected, 1)
    assert pipeline.states() == {"done": 6}
    assert worker.stop() == 0
    left = {key.decode() for key in pipeline.store.redis.scan_iter("rq:*")}
    assert {key for key in left if not key.startswith("rq:worker")} == {"rq:queues"}


async def test_a_long_group_is_found_although_a_quick_one_ended_beside_it(pipeline: Pipeline) -> None:
    """kill -9 of the worker and the long child: the end of the quick group took nothing of the long one's."""
    pipeline.plugin("both", LONG.replace("SECONDS", "60 if not ctx.settings.get('quick') else 0"))
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    pipeline.wait_for(lambda: len(pipeline.told()) == 1, "the start")
    await pipeline.post("misskey", "note")
    pipeline.wait_for(lambda: len(pipeline.told()) == 2, "the quick run")

    kill_whole(worker)
    be_quick(pipeline, "both")
    pipeline.start_worker()
    pipeline.wait_until_finished(2)

    assert pipeline.told().count(f"start {event_id}") == 2
    assert pipeline.states() == {"done": 2}


async def test_a_run_is_not_blamed_for_the_death_that_its_sibling_caused(pipeline: Pipeline) -> None:
    """Of two actions on one event the first succeeds and the second crashes, at once."""
    pipeline.plugin(
        "pair",
        """
        import os, signal

        @action(misskey.Note, attempts=1)
        async def good(event):
            tell("good")

        @action(misskey.Note, attempts=2)
        async def worse(event):
            os.kill(os.getpid(), signal.SIGSEGV)
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_until_finished(1)

    runs = pipeline.runs(event_id)
    assert (runs["pair.good"].state, runs["pair.worse"].state) == ("done", "dead")
    assert len(runs["pair.worse"].attempts) == 2


@pytest.mark.parametrize(
    ("sabotage", "error"),
    [
        ("asyncio.current_task().cancel()\n    await asyncio.sleep(0)", "CancelledError"),
        ("asyncio.get_running_loop().stop()\n    await asyncio.sleep(1)", "Event loop stopped"),
        ("asyncio.ensure_future(leave())\n    await asyncio.sleep(1)", "SystemExit"),
    ],
)
async def test_sabotage_of_the_event_loop_ends_as_a_dead_letter(
    pipeline: Pipeline, sabotage: str, error: str
) -> None:
    """It is found like a crash, and its siblings are done."""
    code = f"""
import asyncio

async def leave():
    raise SystemExit(5)

@action(misskey.Mention, attempts=2)
async def sabotage(event):
    {sabotage}

@action(misskey.Note)
async def sibling(event, ctx):
    tell(ctx.event_id)
"""
    pipeline.plugin("bad", code)
    pipeline.start_receiver()
    notes = await pipeline.post_many("note", 5)
    mention = (await pipeline.post("misskey", "mention")).body["id"]
    pipeline.enqueue_together([*notes, mention])
    worker = pipeline.start_worker()

    pipeline.wait_until_finished(6)

    assert pipeline.states() == {"done": 5, "dead": 1}
    run = pipeline.runs(mention)["bad.sabotage"]
    assert len(run.attempts) == 2
    assert error in (run.error or "")
    assert worker.exit_status is None


@pytest.mark.parametrize("options", [[], ["--no-fork"]])
async def test_restarts_are_not_held_against_a_run(pipeline: Pipeline, options: list[str]) -> None:
    """However many, with a run of a single attempt that they cut short each time."""
    pipeline.configure("shutdown_seconds = 0.2")
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Note, attempts=1)
        async def slow(event, ctx):
            tell(f"attempt {ctx.attempt}")
            await asyncio.sleep(0 if ctx.settings.get("quick") else 60)
        """,
    )
    pipeline.start_receiver()
    await pipeline.post("misskey", "note")
    for restart in range(5):
        worker = pipeline.start_worker(*options)
        pipeline.wait_for(lambda n=restart: len(pipeline.told()) == n + 1, "the run")
        assert worker.stop() == 0
    be_quick(pipeline, "slow")
    pipeline.start_worker(*options)
    pipeline.wait_until_finished(1)

    assert pipeline.told() == ["attempt 1"] * 6
    assert pipeline.states() == {"done": 1}


async def test_an_event_that_kills_whoever_reads_it_ends_as_a_dead_letter(pipeline: Pipeline) -> None:
    """Before any action of its could start: its condition crashes."""
    pipeline.plugin(
        "bad",
        """
        import os

        @action(misskey.Note, when=lambda event: os.abort())
        def never(event):
            tell("never")
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_until_finished(1)

    error = pipeline.store.fields(event_id)["error"].decode()
    assert error == "5 processes died before an action could run on it, the last one: signal 6 (Aborted)"


async def test_an_outage_of_redis_longer_than_a_lease_repeats_nothing(pipeline: Pipeline) -> None:
    """The runs go on meanwhile, and say so as soon as it is back."""
    pipeline.plugin("both", LONG.replace("SECONDS", "16"))
    pipeline.start_receiver()
    pipeline.start_worker()
    worker = pipeline.start_worker()
    events = await pipeline.post_many("mention", 4)
    pipeline.wait_for(lambda: len(pipeline.told()) == 4, "the start")

    assert pipeline.redis.pid is not None
    os.kill(pipeline.redis.pid, signal.SIGSTOP)
    try:
        pipeline.wait_for(lambda: len(pipeline.told()) == 8, "the end, without Redis")
    finally:
        os.kill(pipeline.redis.pid, signal.SIGCONT)
    pipeline.wait_until_finished(4)

    expected = [f"{what} {event_id}" for what in ("start", "end") for event_id in events]
    assert Counter(pipeline.told()) == dict.fromkeys(expected, 1)
    assert worker.exit_status is None


class _Harm:
    """What does harm as soon as it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("arguments", [[], ["--no-fork"]], ids=" ".join)
async def test_what_else_a_forged_job_asks_for_is_not_done(pipeline: Pipeline, arguments: list[str]) -> None:
    """RQ would call its callbacks, by any name that can be imported; its events are run all the same."""
    pipeline.plugin("both", LONG.replace("SECONDS", "0"))
    pipeline.plugin("_evil", "def call(*_):\n    tell('called')\n")
    pipeline.start_receiver()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    redis = pipeline.store.redis
    (key,) = redis.scan_iter("rq:job:*")
    names = ("success_callback_name", "failure_callback_name", "stopped_callback_name")
    redis.hset(key, mapping=dict.fromkeys(names, "_evil.call"))
    pipeline.start_worker(*arguments)
    pipeline.wait_until_finished(1)
    pipeline.wait_for(lambda: not redis.exists(key), "the job's end")
    assert pipeline.state(event_id) == "done"
    assert "called" not in pipeline.told()


async def test_a_job_that_is_none_of_ours_is_thrown_away_and_said(pipeline: Pipeline) -> None:
    """Not called: whoever can write to the queue must not be able to run code. And the worker lives."""
    pipeline.plugin("both", LONG.replace("SECONDS", "0"))
    pipeline.start_receiver()
    redis = pipeline.store.redis
    harm = pipeline.folder / "harm"
    for number, data in enumerate(
        [
            f'["os.system", null, ["touch {harm}"], {{}}]',
            '["hookline_worker.jobs.process", null, [7], {}]',
            '["hookline_worker.jobs.process", null, [], {}]',
            "not JSON",
            pickle.dumps(("os.system", None, (f"touch {harm}",), {})),
            pickle.dumps(_Harm(str(harm))),
            zlib.compress(pickle.dumps(_Harm(str(harm)))),
        ]
    ):
        redis.hset(f"rq:job:j{number}", mapping={"data": data, "origin": "hookline", "status": "queued"})
        redis.rpush("rq:queue:hookline", f"j{number}")
    await pipeline.post("misskey", "note")
    redis.set("rq:job:text", "no hash")
    redis.rpush("rq:queue:hookline", "text", b"\xff\xfe")
    worker = pipeline.start_worker()

    def thrown_away() -> int:
        return pipeline.log_text().count("a job that is none of ours is thrown away")

    pipeline.wait_for(lambda: thrown_away() == 7, "seven jobs")
    redis.set("rq:job:late", "no hash")
    redis.rpush("rq:queue:hookline", b"\xff", "late")  # while the worker waits at the empty queue
    pipeline.wait_until_finished(1)

    assert not harm.exists()
    assert worker.exit_status is None
    pipeline.wait_for(lambda: not redis.exists("rq:queue:hookline", "rq:job:late"), "the late ones")
    pipeline.wait_for(lambda: not redis.exists("rq:queue:hookline:intermediate"), "their end")


async def test_a_retry_outlives_the_child_that_dies_before_it_could_look_at_it(pipeline: Pipeline) -> None:
    """Its scheduled job was used up to start that child, and nothing else names the event."""
    pipeline.plugin(
        "retried",
        """
        @action(misskey.Note)
        def retried(event, ctx):
            tell(f"attempt {ctx.attempt}")
            if ctx.attempt == 1:
                raise Retry("soon", after=0.1)
        """,
    )
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_for(lambda: pipeline.told() == ["attempt 1"], "the first attempt")
    pipeline.wait_for(lambda: pipeline.state(event_id) == "retrying", "its record")
    worker.stop()
    # as it is when the retry has been popped and its child dies at once
    redis = pipeline.store.redis
    redis.delete("rq:scheduled:hookline", *redis.scan_iter("rq:job:*"))
    pipeline.store.release("token of the dead child", [event_id], death="signal 9 (Killed)")
    pipeline.start_worker()
    pipeline.wait_until_finished(1)

    assert pipeline.told() == ["attempt 1", "attempt 2"]
    assert pipeline.states() == {"done": 1}


async def test_a_stopping_worker_waits_for_its_runs_and_no_longer(pipeline: Pipeline) -> None:
    """The children that wait for their next group, before or after their last, hold nothing up."""
    pipeline.plugin("both", LONG.replace("SECONDS", "1"))
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    pipeline.wait_for(lambda: pipeline.told() == [f"start {event_id}"], "the start")
    assert worker.stop() == 0

    assert pipeline.told() == [f"start {event_id}", f"end {event_id}"]
    said = {line["event"]: datetime.fromisoformat(line["timestamp"]) for line in pipeline.log}
    assert (said["worker has stopped"] - said["worker is stopping"]).total_seconds() < 15


async def test_a_busy_worker_is_not_taken_for_an_outage(pipeline: Pipeline) -> None:
    """With slices longer than an outage: slow groups keep coming, and what a dead worker had is found."""
    pipeline.configure("slice_seconds = 4")
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Mention)
        async def lost(event, ctx):
            tell("lost")
            await asyncio.sleep(0 if ctx.settings.get("quick") else 60)

        @action(misskey.Note)
        async def slow(event):
            await asyncio.sleep(3.8)
        """,
    )
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    await pipeline.post("misskey", "mention")
    pipeline.wait_for(lambda: pipeline.told() == ["lost"], "the run")
    kill_whole(worker)
    be_quick(pipeline, "slow")
    for number in range(8):  # a group of its own each: more than half a minute of work
        await pipeline.post("misskey", "note", number)
    pipeline.start_worker()

    pipeline.wait_for(lambda: pipeline.told() == ["lost", "lost"], "its second start", seconds=25)


async def test_an_owner_that_was_out_of_touch_takes_nothing_with_it(pipeline: Pipeline) -> None:
    """It wakes and ends while another has its event; when that one dies too, the event is still found."""
    pipeline.plugin("both", LONG.replace("SECONDS", "14 if not ctx.settings.get('quick') else 0"))
    pipeline.start_receiver()
    first = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    start = f"start {event_id}"
    pipeline.wait_for(lambda: pipeline.told() == [start], "the first start")
    frozen = [first.pid, *children_of(first.pid)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    second = pipeline.start_worker()
    pipeline.wait_for(lambda: pipeline.told() == [start] * 2, "the second start")
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    pipeline.wait_for(lambda: "not recorded here" in pipeline.log_text(), "the end of the first run")
    first.stop()
    kill_whole(second)
    be_quick(pipeline, "both")
    pipeline.start_worker()
    pipeline.wait_until_finished(1)

    assert pipeline.states() == {"done": 1}
