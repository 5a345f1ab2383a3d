"""The figures agree with what was done, and cost the same however much is stored."""

from __future__ import annotations

import re
from importlib.resources import files
from math import inf
from typing import TYPE_CHECKING

import pytest

from hookline.connections import connect, connect_async
from hookline.figures import (
    RUN_BOUNDS_MS,
    ActionFigures,
    Figures,
    RedisFigures,
    read_figures,
    read_minutes,
    read_rejections,
    read_secret_ages,
)
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import COUNTERS_KEY, REJECTED_PREFIX, SECRETS_KEY
from hookline.lanes import action_lane, source_lane
from hookline.ledger import Ended
from hookline.operations import now_ms
from hookline.queue import QueueKeys, job
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

if TYPE_CHECKING:
    from redis import Redis

KEYS = QueueKeys("hookline")
MINUTE_MS = 60_000


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


async def commit(url: str, sources: list[str], *, ago_ms: int = 0, first: int = 0) -> list[str]:
    """The ids of one event of each of these sources, committed as one group; the same again are repeats."""
    at_ms = now_ms() - ago_ms
    events = [
        RawEvent(new_event_id(at_ms), source, "misskey", at_ms, f"key-{n}", 60_000, b"[]", b"{}")
        for n, source in enumerate(sources, first)
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        _, ids = await CommitScript(client, "hookline")(events)
    finally:
        await client.aclose()
    return ids


def finish(store: Store, changes: list[Change]) -> None:
    """Take these events, and write what became of them."""
    store.take("token", 10_000, [change.event_id for change in changes], execution="job:token")
    assert store.record("token", changes) == []


def totals(figures: Figures, source: str, *names: str) -> list[int]:
    """These figures of a source."""
    return [getattr(figures.sources[source], name) for name in names]


def test_of_an_empty_redis_there_is_nothing_but_redis_itself(store: Store) -> None:
    """Every number is 0, and what Redis says of itself is there."""
    figures = read_figures(store)

    assert (figures.backlog, figures.ready, figures.stored, figures.dead_now) == (0, 0, 0, 0)
    assert figures.oldest_waiting_ms is None
    assert (figures.sources, figures.actions, figures.workers, figures.receivers) == ({}, {}, (), ())
    assert figures.redis.role == "master"
    assert figures.redis.aof_enabled is True
    assert figures.redis.aof_last_write_ok is True
    assert figures.redis.fsync == "always"
    assert (figures.redis.used_memory or 0) > 100_000
    assert figures.redis.response_ms > 0
    assert abs(figures.at_ms - now_ms()) < MINUTE_MS


async def test_the_figures_agree_with_what_became_of_the_events(store: Store, redis_url: str) -> None:
    """By source, and by action with the outcome and the time of each attempt."""
    done, dead, retrying, *_ = await commit(redis_url, ["a", "a", "a", "a", "b"])
    await commit(redis_url, ["a", "a"])
    finish(
        store,
        [
            Change(done, {"run:x": "1"}, "done", ended=[Ended("x", "done", 7)]),
            Change(dead, {"run:x": "2"}, "dead", ended=[Ended("x", "dead", 70_000)]),
            Change(retrying, {"run:x": "3"}, "retrying", ended=[Ended("x", "retrying", 7)]),
        ],
    )

    figures = read_figures(store)

    assert totals(figures, "a", "received", "repeated", "done", "dead") == [4, 2, 1, 1]
    assert totals(figures, "a", "open", "retrying", "ready", "done_now", "dead_now") == [2, 1, 1, 1, 1]
    assert totals(figures, "b", "received", "open", "ready", "stored") == [1, 1, 1, 1]
    assert (figures.backlog, figures.ready, figures.stored, figures.dead_now) == (3, 2, 5, 1)
    action = figures.actions["x"]
    assert (action.done, action.retrying, action.dead, action.attempts) == (1, 1, 1, 3)
    assert action.total_ms == 70_014
    assert {bound: n for bound, n in action.buckets.items() if n} == {10: 2, inf: 1}
    assert figures.sources["a"].last_at_ms == int(retrying[:12], 16)


def test_a_part_of_the_attempts_is_within_a_bound() -> None:
    """The least of the bounds for which that is so."""
    some = ActionFigures(buckets={5: 5, 10: 4, 25: 1, inf: 0})
    assert [some.within(part) for part in (0.5, 0.51, 0.9, 0.95, 1)] == [5, 10, 10, 25, 25]
    assert ActionFigures(buckets={5: 1, inf: 1}).within(0.95) == inf
    for none in (ActionFigures(), ActionFigures(buckets={5: 0, inf: 0})):
        assert none.within(0.5) is None


async def test_what_a_person_does_is_counted(store: Store, redis_url: str) -> None:
    """Replayed, purged, and paused since when; also of what nothing has come of yet."""
    ids = await commit(redis_url, ["a", "a"])
    finish(store, [Change(event_id, {"run:x": "1"}, "dead") for event_id in ids])
    store.replay(ids[:1])
    store.purge(ids[1:])
    for lane in (source_lane("a"), source_lane("c"), action_lane("y")):
        store.pause(lane)

    figures = read_figures(store)

    assert totals(figures, "a", "replayed", "purged", "open", "ready", "dead_now") == [1, 1, 1, 0, 0]
    assert figures.sources["c"].paused_since_ms == store.paused()["c"]
    assert figures.actions["y"].paused_since_ms == store.paused()["@y"]
    assert list(figures.sources) == ["a", "c"]


async def test_the_oldest_that_waits_is_found_before_and_after_it_is_in_its_lane(
    store: Store, redis_url: str
) -> None:
    """Each source's own, by when it was received."""
    await commit(redis_url, ["a", "b"], ago_ms=60_000)
    await commit(redis_url, ["b"], ago_ms=90_000, first=2)

    in_queue = read_figures(store)
    store.next(left_alone=["*", "a", "b"])
    in_lanes = read_figures(store)

    for figures in (in_queue, in_lanes):
        assert figures.sources["a"].oldest_waiting_ms == pytest.approx(60_000, abs=30_000)
        assert figures.sources["b"].oldest_waiting_ms == pytest.approx(90_000, abs=30_000)
        assert figures.oldest_waiting_ms == figures.sources["b"].oldest_waiting_ms


async def test_nothing_waits_that_is_paused_running_or_to_be_retried(store: Store, redis_url: str) -> None:
    """And what was replayed has waited since then."""
    paused, running, retrying, replayed = await commit(redis_url, ["a", "b", "c", "d"], ago_ms=600_000)
    store.pause(source_lane("a"))
    finish(
        store,
        [Change(running), Change(retrying, state="retrying"), Change(replayed, {"run:x": "1"}, "done")],
    )
    store.replay([replayed])

    figures = read_figures(store)

    assert {name: each.oldest_waiting_ms for name, each in figures.sources.items() if name != "d"} == (
        {"a": None, "b": None, "c": None}
    )
    assert (figures.sources["d"].oldest_waiting_ms or 0) < 300_000
    assert paused != replayed


async def test_what_others_put_into_the_queue_does_no_harm(store: Store, redis_url: str) -> None:
    """A job that is gone, one that is no hash, and one that calls something else."""
    store.redis.set("rq:job:text", "hello")
    store.redis.hset("rq:job:other", "data", '["os.system", null, ["true"], {}]')
    store.redis.rpush(KEYS.queue, "gone", "text", "other", b"\xff")
    await commit(redis_url, ["a"], ago_ms=60_000)

    assert (read_figures(store).oldest_waiting_ms or 0) >= 60_000


async def test_the_cost_does_not_grow_with_what_is_stored(store: Store, redis_url: str) -> None:
    """As many commands for 200 events as for 8."""
    commands = []
    for first, count in ((0, 8), (8, 192)):
        ids = await commit(redis_url, ["a"] * count, first=first)
        finish(store, [Change(event_id, {"run:x": "1"}, "done") for event_id in ids])
        store.redis.delete(KEYS.queue)
        store.redis.config_resetstat()
        assert read_figures(store).stored == first + count
        commands.append(sum(each["calls"] for each in store.redis.info("commandstats").values()))
    assert commands[0] == commands[1] < 30


async def test_a_redis_that_refuses_info_and_config_tells_the_rest(store: Store, redis_url: str) -> None:
    """As managed ones do: what it doesn't tell is None, or empty."""
    await commit(redis_url, ["a"])
    store.redis.acl_setuser("narrow", enabled=True, nopass=True, keys=["*"], categories=["+@all"])
    store.redis.execute_command("ACL", "SETUSER", "narrow", "-info", "-config")
    try:
        with connect(RedisSettings(url=redis_url)) as client:
            client.auth("", username="narrow")
            figures = read_figures(Store(client))
    finally:
        store.redis.acl_deluser("narrow")

    assert figures.backlog == 1
    assert figures.redis == RedisFigures(response_ms=figures.redis.response_ms)


async def test_minutes_are_the_oldest_first_and_none_is_missing(store: Store, redis_url: str) -> None:
    """The last one is that of the time given."""
    await commit(redis_url, ["a", "a"])
    minute = now_ms() // MINUTE_MS

    minutes = read_minutes(store, 5, (minute + 2) * MINUTE_MS + 1)

    assert [each.at_ms for each in minutes] == [(minute + n) * MINUTE_MS for n in range(-2, 3)]
    assert sum(each.counts.get("received:a", 0) for each in minutes) == 2
    assert sum(map(len, (each.counts for each in minutes))) == 1


def test_refused_deliveries_and_the_ages_of_secrets_are_read_as_receivers_write_them(store: Store) -> None:
    """From the newest."""
    rows = [f'{{"at": {n}, "reason": "r", "peer": "p"}}' for n in (1, 2)]
    store.redis.lpush(REJECTED_PREFIX + "a", *rows)
    store.redis.hset(SECRETS_KEY, "a", '{"print": "00:0000", "since": 7}')

    assert [(each.at_ms, each.reason, each.peer) for each in read_rejections(store, "a")] == [
        (2, "r", "p"),
        (1, "r", "p"),
    ]
    assert read_rejections(store, "b") == []
    assert read_secret_ages(store) == {"a": 7}


def test_counters_that_nobody_here_knows_are_passed_over(store: Store) -> None:
    """A newer Hookline's, or an older one's."""
    store.redis.hset(COUNTERS_KEY, mapping={"done": 1, "dead": 2, "what:is:this": 3, "received:a": 4})

    figures = read_figures(store)

    assert {name: each.received for name, each in figures.sources.items()} == {"a": 4}


def test_the_bounds_of_runs_are_those_that_redis_counts_by() -> None:
    """In tally.lua."""
    lua = files("hookline").joinpath("lua/tally.lua").read_text(encoding="utf-8")
    found = re.search(r"RUN_BOUNDS_MS = \{([^}]*)\}", lua)
    assert found
    assert [int(each) for each in found[1].split(",")] == list(RUN_BOUNDS_MS[:-1])
    assert RUN_BOUNDS_MS[-1] == inf


async def test_a_group_that_is_run_is_told_with_its_worker(store: Store, redis_url: str) -> None:
    """What RQ notes of both; a worker that is gone is not told."""
    (event_id,) = await commit(redis_url, ["a"])
    mine = job([event_id])
    worker = {"hostname": "h", "pid": "7", "state": "busy", "birth": "2026-01-01T00:00:00.500000Z"}
    store.redis.hset("rq:worker:w", mapping=worker)
    store.redis.sadd(KEYS.workers, "rq:worker:w", "rq:worker:gone")
    store.redis.sadd("rq:worker:w:executions", f"{mine.id}:execution", "over:execution")
    store.redis.hset(
        f"rq:job:{mine.id}", mapping={"data": mine.data, "started_at": "2026-01-01T00:00:01.000000Z"}
    )

    (told,) = read_figures(store).workers

    assert (told.name, told.host, told.pid, told.state) == ("w", "h", 7, "busy")
    assert told.started_at_ms == 1_767_225_600_500
    assert [(group.event_ids, group.began_at_ms) for group in told.groups] == [
        ((event_id,), 1_767_225_601_000)
    ]
