"""What others of this kind have lost events by, as far as no other test here holds it."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hookline.live import Live
from hookline.operations import now_ms
from hookline.senders import delivery_random, make_delivery

if TYPE_CHECKING:
    from conftest import Pipeline

EVERYTHING = """
    @action("*")
    async def everything(event, ctx):
        tell(ctx.event_id)
"""
AWAY_SECONDS = 3.0
MOST_CPU_SHARE = 0.5
"""Of one core, over all processes, while Redis is away. A loop without a pause takes a whole one."""


async def test_more_than_a_thousand_events_are_replayed_at_once(pipeline: Pipeline) -> None:
    """By one command, each of them once."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    ids = await pipeline.post_many("followed", 1_200)
    pipeline.wait_until_finished(1_200)

    replayed = pipeline.cli("replay", "--state", "done")

    assert "replaying 1,200 events" in replayed.stdout
    pipeline.wait_for(lambda: len(pipeline.told()) >= 2_400, "2,400 runs")
    pipeline.wait_until_finished(1_200)
    assert Counter(pipeline.told()) == dict.fromkeys(ids, 2)


async def test_a_repeat_is_known_after_its_job_and_its_event_are_gone(
    pipeline: Pipeline, monkeypatch
) -> None:
    """What is remembered of a delivery ends with its window, not with the result of a job."""
    monkeypatch.setenv("HOOKLINE_RETENTION__DONE_DAYS", "0.000001")
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    body = make_delivery("misskey", "note", secret=b"", rng=delivery_random(0, 5), now_ms=now_ms()).body
    first = await pipeline.post_body("misskey", body)
    pipeline.wait_for(lambda: pipeline.told() and not pipeline.event_ids(), "the purge")

    again = await pipeline.post_body("misskey", body)

    assert (again.status, again.body) == (202, {"id": first.body["id"], "status": "duplicate"})
    assert len(pipeline.told()) == 1


async def test_of_purged_events_nothing_is_left(pipeline: Pipeline, monkeypatch) -> None:
    """No index, queue, schedule or registry keeps the id of an event or of a job that is over."""
    monkeypatch.setenv("HOOKLINE_RETENTION__DONE_DAYS", "0.000001")
    monkeypatch.setenv("HOOKLINE_RETENTION__DEAD_DAYS", "0.000001")
    code = "@action('misskey.mention', attempts=2)\ndef fail(event):\n    raise RuntimeError\n"
    pipeline.plugin("all", EVERYTHING)
    pipeline.plugin("bad", code)
    pipeline.start_receiver()
    pipeline.start_worker()
    ids = await pipeline.post_many("followed", 200)
    ids += await pipeline.post_many("mention", 20)

    def left() -> list[str]:
        return [each for each in _everything(pipeline) if each.startswith("rq:job:") or each in set(ids)]

    pipeline.wait_for(lambda: len(set(pipeline.told())) == 220 and not left(), "the end of all traces")


async def test_what_is_finished_is_no_backlog(pipeline: Pipeline) -> None:
    """However much of it is kept, nothing waits: the queue is empty, and the next event is alone in it."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    await pipeline.post_many("followed", 300)
    pipeline.wait_until_finished(300)
    redis = pipeline.store.redis
    pipeline.wait_for(lambda: not _waiting(pipeline), "an empty queue")
    worker.stop()

    await pipeline.post("misskey", "note", 1)

    assert _waiting(pipeline) == 1
    assert redis.zcard("rq:wip:hookline") == redis.zcard("rq:scheduled:hookline") == 0


async def test_who_watches_events_sees_them_after_a_restart_of_redis_too(pipeline: Pipeline) -> None:
    """One that subscribed would be deaf from then on, and would not know it."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    live = Live(pipeline.store)
    before = await pipeline.post("misskey", "note", 1)
    pipeline.wait_until_finished(1)
    seen = live.look()

    pipeline.redis.stop()
    pipeline.redis.start()
    pipeline.wait_for(lambda: _is_back(pipeline), "redis")
    after = await pipeline.post("misskey", "note", 2)
    pipeline.wait_until_finished(2)
    seen += live.look()

    expected = [before.body["id"], after.body["id"]]
    assert [(each.id, each.state) for each in seen] == [(each, "done") for each in expected]


async def test_nobody_spins_or_ends_while_redis_is_away(pipeline: Pipeline) -> None:
    """They wait for it, at next to no cost, and go on by themselves."""
    pipeline.plugin("all", EVERYTHING)
    services = [pipeline.start_receiver(), pipeline.start_worker(), pipeline.start_worker("--no-fork")]
    await pipeline.post_many("followed", 10)
    pipeline.wait_until_finished(10)

    pipeline.redis.stop()
    refused = await pipeline.post("misskey", "note", 1)
    pipeline.wait_for(lambda: "the worker waits for it" in pipeline.log_text(), "the notice")
    used = sum(_cpu_seconds(service.pid) for service in services)
    began = time.monotonic()
    await asyncio.sleep(AWAY_SECONDS)
    used = sum(_cpu_seconds(service.pid) for service in services) - used
    share = used / (time.monotonic() - began)
    pipeline.redis.start()
    pipeline.wait_for(lambda: _is_back(pipeline), "redis")
    after = await pipeline.post("misskey", "note", 1)
    pipeline.wait_until_finished(11)

    assert refused.status == 503
    assert after.outcome == "202 queued"
    assert share < MOST_CPU_SHARE
    assert [service.exit_status for service in services] == [None, None, None]


def _everything(pipeline: Pipeline) -> set[str]:
    """Every key, and every member of every list, set and sorted set."""
    redis = pipeline.store.redis
    found: set[bytes] = set()
    for key in redis.scan_iter("*", count=1000):
        found.add(key)
        kind = redis.type(key)
        if kind == b"zset":
            found.update(redis.zrange(key, 0, -1))
        elif kind == b"set":
            found.update(redis.smembers(key))
        elif kind == b"list":
            found.update(redis.lrange(key, 0, -1))
        elif kind == b"hash" and not key.startswith(b"hookline:dedupe:"):
            found.update(redis.hkeys(key))
    return {each.decode("latin-1").removeprefix("hookline:event:") for each in found}


def _waiting(pipeline: Pipeline) -> int:
    """How many jobs wait, in whatever queues there are."""
    redis = pipeline.store.redis
    return sum(redis.llen(key) for key in redis.scan_iter("rq:queue:*"))


def _is_back(pipeline: Pipeline) -> bool:
    return bool(pipeline.store.redis.ping())


def _cpu_seconds(pid: int) -> float:
    """What a process and its children, those that live and those that ended, have taken of the CPU."""
    ticks, children = 0, [pid]
    while children:
        each = children.pop()
        try:
            stat = Path(f"/proc/{each}/stat").read_text(encoding="ascii", errors="replace")
            for thread in Path(f"/proc/{each}/task").iterdir():
                children += map(int, (thread / "children").read_text(encoding="ascii").split())
        except OSError:  # it has ended; its parent counts it
            continue
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
