"""What a receiver counts by itself reaches Redis, once each, however Redis fails meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from math import inf
from pathlib import Path

import pytest
import redis as redis_py
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import connect, connect_async
from hookline.embedded import EmbeddedRedis
from hookline.figures import MINUTE_MS, read_figures, read_minutes, read_rejections, read_secret_ages
from hookline.keys import SECRETS_KEY
from hookline.operations import now_ms
from hookline.references import keep_secret
from hookline.settings import Redis as RedisSettings
from hookline.settings import Spool as SpoolSettings
from hookline.store import Store
from hookline_receiver.detour import Detour, Hold
from hookline_receiver.reporting import Reporter
from hookline_receiver.secret_ages import digest, fingerprint, note_secrets
from hookline_receiver.spool import Spool
from hookline_receiver.standing import Standing
from hookline_receiver.tally import LATEST, MOST_MINUTES, Tally

AT_MS = 1_790_000_000_000


def standing(detour: Detour | None = None, folder: Path | None = None) -> Standing:
    """Of a process that is not stopping."""
    return Standing(detour or Detour(), asyncio.Event(), "http://127.0.0.1:1", SpoolSettings(folder=folder))


@pytest.fixture
async def client(own_redis: EmbeddedRedis) -> AsyncIterator[AsyncRedis]:
    """As a receiver has it; no other receiver reports there."""
    client = connect_async(RedisSettings(url=own_redis.url))
    yield client
    await client.aclose()


@pytest.fixture
def store(own_redis: EmbeddedRedis) -> Iterator[Store]:
    """What is in the same Redis."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        yield Store(client)


def test_what_is_counted_is_taken_once() -> None:
    """Refusals by why and whose, commits by how long and how large, and what went to the disk."""
    tally = Tally(lambda: AT_MS)
    tally.rejected("signature", "does not match", source="a", peer="10.0.0.1")
    tally.rejected("no_source", "no such source")
    tally.committed(64, 0.0015)
    tally.committed(1, 9.0)
    tally.spooled(["a", "a", "b"])

    counted = tally.take()

    assert counted.totals == {
        "rejected:signature:a": 1,
        "rejected:no_source:": 1,
        "commits": 2,
        "commit_events": 65,
        "commit_le:2": 1,
        "commit_le:inf": 1,
        "group_le:64": 1,
        "group_le:1": 1,
        "commit_ms": 9001,
        "spooled:a": 2,
        "spooled:b": 1,
    }
    assert counted.minutes == {AT_MS // MINUTE_MS: {"rejected:signature:a": 1, "rejected:no_source:": 1}}
    assert [tuple(each) for each in counted.latest["a"]] == [(AT_MS, "does not match", "10.0.0.1")]
    assert tally.take() == ({}, {}, {})


def test_parts_of_a_millisecond_are_not_lost() -> None:
    """A commit takes less than one, mostly."""
    tally = Tally()
    total = 0
    for _ in range(10):
        tally.committed(1, 0.00075)
        total += tally.take().totals.get("commit_ms", 0)
    assert total == 7


def test_while_nobody_takes_it_it_does_not_grow_without_end() -> None:
    """The latest minutes and the latest refusals are kept, and the sum of all."""
    at_ms = AT_MS
    tally = Tally(lambda: at_ms)
    for _ in range(MOST_MINUTES + LATEST):
        tally.rejected("slow", "not there after 10 s", source="a")
        at_ms += MINUTE_MS

    counted = tally.take()

    assert counted.totals == {"rejected:slow:a": MOST_MINUTES + LATEST}
    assert len(counted.minutes) == MOST_MINUTES
    assert max(counted.minutes) == at_ms // MINUTE_MS - 1
    assert len(counted.latest["a"]) == LATEST
    assert counted.latest["a"][-1].at_ms == at_ms - MINUTE_MS


async def test_a_flush_brings_it_into_the_figures(client: AsyncRedis, store: Store) -> None:
    """Totals, minutes, and the latest refusals with why and from where."""
    tally = Tally(lambda: AT_MS)
    reporter = Reporter(client, tally, standing(), {})
    for n in range(LATEST + 1):
        tally.rejected("signature", f"number {n}", source="a", peer="10.0.0.1")
    tally.rejected("not_http", "not an HTTP request")
    tally.committed(3, 0.004)
    await reporter.flush()
    tally.rejected("signature", "the last", source="a")
    await reporter.flush()
    await reporter.flush()

    figures = read_figures(store)
    assert figures.sources["a"].rejected == {"signature": LATEST + 2}
    assert figures.rejected == {"not_http": 1}
    assert (figures.commits.count, figures.commits.events, figures.commits.total_ms) == (1, 3, 4)
    assert {bound: n for bound, n in figures.commits.buckets.items() if n} == {5: 1}
    assert {bound: n for bound, n in figures.commits.group_buckets.items() if n} == {4: 1}
    assert list(figures.commits.buckets)[-1] == inf
    (minute,) = read_minutes(store, 1, AT_MS)
    assert minute.counts == {"rejected:signature:a": LATEST + 2, "rejected:not_http:": 1}
    latest = read_rejections(store, "a")
    assert len(latest) == LATEST
    assert (latest[0].reason, latest[1].reason) == ("the last", f"number {LATEST}")
    assert (latest[1].at_ms, latest[1].peer) == (AT_MS, "10.0.0.1")


async def test_what_is_kept_of_a_refusal_is_short_and_harms_no_terminal(
    client: AsyncRedis, store: Store
) -> None:
    """A provider's reason may quote its sender; a secret of ours isn't in it either."""
    keep_secret("hunter2-hunter2")
    tally = Tally()
    tally.rejected("signature", f"\x1b[2J\n hunter2-hunter2 {'x' * 999}", source="a", peer="\x9b1m")
    await Reporter(client, tally, standing(), {}).flush()

    (kept,) = read_rejections(store, "a")
    assert kept.reason.startswith("␛[2J␊ *** xxx")
    assert len(kept.reason) == 200
    assert kept.peer == "␡1m"


async def test_a_flush_whose_answer_is_lost_is_not_counted_twice(own_redis: EmbeddedRedis) -> None:
    """A frozen Redis finds it in its socket's buffer, and then gets it again."""
    settings = RedisSettings(url=own_redis.url, commit_timeout_seconds=0.2)
    tally = Tally()
    async with connect_async(settings) as client:
        reporter = Reporter(client, tally, standing(), {})
        tally.rejected("slow", "", source="a")
        await reporter.flush()
        tally.rejected("slow", "", source="a")
        assert own_redis.pid
        os.kill(own_redis.pid, signal.SIGSTOP)
        with pytest.raises(redis_py.TimeoutError):
            await reporter.flush()
        tally.rejected("slow", "", source="a")
        os.kill(own_redis.pid, signal.SIGCONT)
        await reporter.flush()
        await reporter.flush()

    with connect(settings) as client:
        assert read_figures(Store(client)).sources["a"].rejected == {"slow": 3}
        assert len(read_rejections(Store(client), "a")) == 3


async def test_what_redis_does_not_take_is_kept_until_it_does(own_redis: EmbeddedRedis) -> None:
    """With the minute in which it was."""
    settings = RedisSettings(url=own_redis.url)
    at_ms = AT_MS
    tally = Tally(lambda: at_ms)
    async with connect_async(settings) as client:
        reporter = Reporter(client, tally, standing(), {})
        own_redis.stop()
        for _ in range(3):
            tally.rejected("not_committed", "", source="a")
            with pytest.raises(redis_py.ConnectionError):
                await reporter.flush()
            at_ms += MINUTE_MS
        own_redis.start()
        await reporter.flush()
        await reporter.flush()

    with connect(settings) as client:
        assert read_figures(Store(client)).sources["a"].rejected == {"not_committed": 3}
        assert [each.counts for each in read_minutes(Store(client), 4, at_ms)] == [
            *[{"rejected:not_committed:a": 1}] * 3,
            {},
        ]


async def test_at_the_end_nothing_is_left_over(client: AsyncRedis, store: Store) -> None:
    """What was counted is there, and the receiver isn't."""
    tally = Tally()
    reporter = Reporter(client, tally, standing(), {})
    running = asyncio.create_task(reporter.run())
    async with asyncio.timeout(30):
        while not await client.exists("hookline:receivers"):
            pass
    assert len(read_figures(store).receivers) == 1
    running.cancel()
    tally.rejected("method", "came by GET", source="a")
    await reporter.sign_off()

    assert read_figures(store).receivers == ()
    assert read_figures(store).sources["a"].rejected == {"method": 1}
    assert [key for key in store.redis.keys("hookline:*") if b"receiver" in key or b"tally" in key] == []


async def test_the_end_does_not_wait_for_a_redis_that_is_away(own_redis: EmbeddedRedis) -> None:
    """Then the sums of the last second are given up."""
    tally = Tally()
    async with connect_async(RedisSettings(url=own_redis.url)) as client:
        reporter = Reporter(client, tally, standing(), {})
        own_redis.stop()
        tally.rejected("method", "", source="a")
        await reporter.sign_off()


async def test_a_receiver_says_how_it_stands(tmp_path: Path) -> None:
    """Spooling while its spool takes what Redis doesn't, and refusing without one."""
    without = Detour()
    spool = Spool(tmp_path / "spool", 2**20)
    spooling = Detour(spool)
    stands = standing(without)
    assert [(await stands.look()).state, (await standing(spooling).look()).state] == ["ready", "ready"]

    without.hold = spooling.hold = Hold(reason="receiver.max_waiting_events")
    first = await stands.look()
    second = await stands.look()
    told = await standing(spooling, tmp_path / "spool").look()
    await spool.close()

    assert (first.state, second.refused_since_ms) == ("refusing", first.refused_since_ms)
    assert first.refused_since_ms
    assert (told.state, told.refused_since_ms) == ("spooling", None)
    assert (told.spool_folder, told.spool_max_bytes) == (str(tmp_path / "spool"), 256 * 2**20)


async def test_the_age_of_a_secret_begins_when_it_changes(client: AsyncRedis, store: Store) -> None:
    """Not when a receiver starts again, nor with another order of the same two."""
    await note_secrets(client, {"a": digest([b"one", b"two"]), "b": digest([b"other"])})
    for source, text in store.redis.hgetall(SECRETS_KEY).items():
        store.redis.hset(SECRETS_KEY, source, json.dumps(json.loads(text) | {"since": AT_MS}))

    await note_secrets(client, {"a": digest([b"two", b"one"]), "b": digest([b"other"])})
    assert read_secret_ages(store) == {"a": AT_MS, "b": AT_MS}

    began_at_ms = now_ms()
    await note_secrets(client, {"a": digest([b"two", b"three"])})
    assert read_secret_ages(store)["a"] >= began_at_ms
    assert read_secret_ages(store)["b"] == AT_MS


def test_a_fingerprint_tells_two_bytes_at_the_most() -> None:
    """Beside its salt; so one guess in 65,536 looks right, and nothing is confirmed by it."""
    told = fingerprint(digest([b"secret"]), b"12345678")
    assert len(told.partition(":")[2]) == 4
    assert told != fingerprint(digest([b"secret"]), b"12345679")
