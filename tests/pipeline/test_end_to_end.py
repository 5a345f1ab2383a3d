"""What was answered 2xx is done once, whatever was sent and whatever died."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

from hookline.figures import read_figures
from hookline.operations import now_ms
from hookline.senders import delivery_random, make_delivery, post_all, sender_types

if TYPE_CHECKING:
    from conftest import Pipeline

DISTINCT = 10_000
REPEATED = 1_000

EVERYTHING = """
    @action("*")
    async def everything(event, ctx):
        tell(ctx.event_id)
"""


async def test_ten_thousand_deliveries_are_each_done_once(pipeline: Pipeline) -> None:
    """A receiver and two workers over a real Redis; every repeat is answered as a duplicate."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    pipeline.start_worker()

    queued: list[str] = []
    repeats: list[tuple[str, str]] = []
    for provider, source, secret in (
        ("misskey", "misskey", b"misskey-secret-7Qp2"),
        ("esa", "team", b"esa-secret-9fLw"),
    ):
        kinds = sender_types(provider)
        deliveries = [
            make_delivery(
                provider,
                kinds[n % len(kinds)],
                secret=secret,
                rng=delivery_random(provider, n),
                now_ms=now_ms(),
            )
            for n in range(DISTINCT // 2)
        ]
        async with pipeline.poster(source, connections=32) as poster:
            answers = await post_all(poster, deliveries)
            first = [(answer.status, answer.body) for answer in answers]
            assert Counter((status, body["status"]) for status, body in first) == {
                (202, "queued"): DISTINCT // 2
            }
            queued += [body["id"] for _, body in first]
            again = random.Random(7).sample(range(DISTINCT // 2), REPEATED // 2)
            answers = await post_all(poster, [deliveries[n] for n in again])
            assert {(answer.status, answer.body["status"]) for answer in answers} == {(202, "duplicate")}
            repeats += [
                (first[n][1]["id"], answer.body["id"]) for n, answer in zip(again, answers, strict=True)
            ]

    pipeline.wait_until_finished(DISTINCT)

    assert all(original == repeat for original, repeat in repeats)
    assert sorted(pipeline.event_ids()) == sorted(queued)
    assert Counter(pipeline.told()) == dict.fromkeys(queued, 1)
    for event_id in queued:
        fields = pipeline.store.fields(event_id)
        assert fields["state"] == b"done"
        assert [name for name in fields if name.startswith("run:")] == ["run:all.everything"]
    assert len(pipeline.runs(queued[0])["all.everything"].attempts) == 1
    assert pipeline.store.waiting_jobs() == 0


async def test_a_killed_worker_is_replaced_within_15_seconds(pipeline: Pipeline) -> None:
    """kill -9 of a worker and its child in the middle of a group: no recorded run is repeated."""
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Note)
        async def quick(event, ctx):
            tell("quick " + ctx.event_id)

        @action(misskey.Mention)
        async def slow(event, ctx):
            tell(f"slow {ctx.event_id} {ctx.idempotency_key}")
            if not ctx.settings.get("quick"):
                await asyncio.sleep(3600)
        """,
    )
    pipeline.start_receiver()
    notes = await pipeline.post_many("note", 20)
    mentions = await pipeline.post_many("mention", 5)
    pipeline.enqueue_together([*notes, *mentions])
    worker = pipeline.start_worker()
    pipeline.wait_for(
        lambda: (
            pipeline.states()["done"] == 20 and sum(line.startswith("slow") for line in pipeline.told()) == 5
        ),
        "the middle of the group",
    )

    for pid in (worker.pid, *_children(worker.pid)):  # the worker first, so that it can't enqueue them again
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    config = pipeline.folder / "hookline.toml"
    config.write_text(config.read_text() + "\n[plugins.slow]\nquick = true\n")
    pipeline.start_worker()
    ready_at = time.monotonic()
    pipeline.wait_until_finished(25)
    seconds = time.monotonic() - ready_at

    assert seconds < 15
    told = Counter(pipeline.told())
    assert [told[f"quick {event_id}"] for event_id in notes] == [1] * 20
    assert [told[f"slow {event_id} {event_id}:slow.slow"] for event_id in mentions] == [2] * 5
    assert pipeline.states() == {"done": 25}


async def test_a_child_that_outlives_its_killed_worker_finishes_its_runs(pipeline: Pipeline) -> None:
    """Its leases stay alive, so nobody runs its events a second time."""
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Mention)
        async def slow(event, ctx):
            tell(ctx.event_id)
            await asyncio.sleep(13)
        """,
    )
    pipeline.start_receiver()
    mentions = await pipeline.post_many("mention", 5)
    pipeline.enqueue_together(mentions)
    worker = pipeline.start_worker()
    pipeline.wait_for(lambda: len(pipeline.told()) == 5, "the middle of the group")

    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    pipeline.start_worker()
    pipeline.wait_until_finished(5)

    assert Counter(pipeline.told()) == dict.fromkeys(mentions, 1)


async def test_redis_may_come_and_go_without_a_restart_of_anything(pipeline: Pipeline) -> None:
    """503 with Retry-After while it is away; afterwards everything goes on, and nothing was lost."""
    pipeline.plugin("all", EVERYTHING)
    receiver = pipeline.start_receiver()
    worker = pipeline.start_worker()
    before = await pipeline.post_many("note", 50)
    began = [each.started_at_ms for each in read_figures(pipeline.store).workers]

    pipeline.redis.stop()
    refused = await pipeline.post("misskey", "note", 7)
    pipeline.redis.start()
    pipeline.wait_for(lambda: pipeline.store.redis.ping(), "redis")
    after = await pipeline.post("misskey", "note", 8)

    assert (refused.status, refused.headers.get("retry-after")) == (503, "10")
    assert after.status == 202
    pipeline.wait_until_finished(51)
    assert Counter(pipeline.told()) == dict.fromkeys([*before, after.body["id"]], 1)
    assert (receiver.exit_status, worker.exit_status) == (None, None)
    assert [each.started_at_ms for each in read_figures(pipeline.store).workers] == began


async def test_a_stopped_worker_finishes_what_is_under_way(pipeline: Pipeline) -> None:
    """SIGTERM to the worker's whole process group cuts no run, and ends with status 0."""
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Mention)
        async def slow(event, ctx):
            tell("start")
            await asyncio.sleep(3)
            tell("end")
        """,
    )
    pipeline.start_receiver()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    worker = pipeline.start_worker()
    pipeline.wait_for(lambda: pipeline.told() == ["start"], "the run")

    for pid in (worker.pid, *_children(worker.pid)):
        os.kill(pid, signal.SIGTERM)
    status = worker.wait()

    assert (status, pipeline.told(), pipeline.state(event_id)) == (0, ["start", "end"], "done")


async def test_runs_that_outlast_a_stopping_worker_are_handed_over_at_once(pipeline: Pipeline) -> None:
    """Nobody waits for a lease to run out, and no attempt is counted."""
    pipeline.configure("shutdown_seconds = 0.5")
    pipeline.plugin(
        "slow",
        """
        import asyncio

        @action(misskey.Mention, attempts=1)
        async def slow(event, ctx):
            tell(f"attempt {ctx.attempt}")
            if not ctx.settings.get("quick"):
                await asyncio.sleep(3600)
        """,
    )
    pipeline.start_receiver()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    worker = pipeline.start_worker()
    pipeline.wait_for(lambda: len(pipeline.told()) == 1, "the run")

    assert worker.stop() == 0
    assert pipeline.state(event_id) == "queued"
    config = pipeline.folder / "hookline.toml"
    config.write_text(config.read_text() + "\n[plugins.slow]\nquick = true\n")
    pipeline.start_worker()
    pipeline.wait_until_finished(1)

    assert pipeline.told() == ["attempt 1", "attempt 1"]
    assert pipeline.state(event_id) == "done"


async def test_a_slow_run_holds_up_the_next_ones_for_a_slice_at_most(pipeline: Pipeline) -> None:
    """While one event takes its time, those behind it in the queue are done, on the same worker."""
    pipeline.plugin(
        "both",
        """
        import asyncio, time

        @action(misskey.Mention)
        def slow(event, ctx):
            tell("slow starts")
            time.sleep(8)
            tell("slow ends")

        @action(misskey.Note)
        async def quick(event, ctx):
            tell("quick")
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    await pipeline.post("misskey", "mention")
    pipeline.wait_for(lambda: pipeline.told() == ["slow starts"], "the slow run")
    await pipeline.post("misskey", "note")
    pipeline.wait_until_finished(2)

    assert pipeline.told() == ["slow starts", "quick", "slow ends"]


async def test_the_worker_without_forks_does_the_same(pipeline: Pipeline) -> None:
    """Groups in threads: many events, one that fails and is retried, and a stop with status 0."""
    pipeline.plugin(
        "all",
        """
        @action(misskey.Note)
        async def note(event, ctx):
            tell(ctx.event_id)

        @action(misskey.Mention)
        def mention(event, ctx):
            if ctx.attempt < 3:
                raise Retry("later", after=0.1)
            tell(ctx.event_id)
        """,
    )
    pipeline.start_receiver()
    worker = pipeline.start_worker("--no-fork")
    notes = await pipeline.post_many("note", 500)
    mentions = await pipeline.post_many("mention", 5)

    pipeline.wait_until_finished(505)

    assert Counter(pipeline.told()) == dict.fromkeys([*notes, *mentions], 1)
    assert worker.stop() == 0


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]
