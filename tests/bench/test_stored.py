"""Filling Redis with finished events: they are as the product's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ours import QUEUE, Ours
from bench.redis_servers import RedisServer
from bench.rows.search import SOURCES, place_of
from bench.stored import SOURCE, Finish, store_finished
from hookline.index import Filter, failure_groups, find
from hookline.keys import DEDUPE_PREFIX, DONE_PREFIX
from hookline.operations import now_ms
from hookline.redis_server import find_server
from hookline.store import Store

COUNT = 150
FINISH = Finish({"run:plugin.no_op": '{"state":"done","attempts":[]}'}, "esa.post_create")


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ours]:
    """A Hookline whose processes are not started."""
    with RedisServer(find_server().path, tmp_path) as redis:
        yield Ours(tmp_path / "ours", redis)


def test_they_are_finished_listed_and_due_for_purging(ours: Ours) -> None:
    """Nothing waits any more, and every index has them all."""
    store_finished(ours.redis.url, COUNT, FINISH)
    store = Store(ours.redis.client, QUEUE)
    listed = list(find(store, Filter()))
    assert len(listed) == ours.finished() == COUNT
    assert {(each.state, each.type) for each in listed} == {("done", "esa.post_create")}
    assert len(store.event_ids()) == store.redis.zcard(DONE_PREFIX + SOURCE) == COUNT
    assert store.waiting_jobs() == 0
    assert list(store.redis.scan_iter("rq:job:*")) == []
    assert list(store.redis.scan_iter(f"{DEDUPE_PREFIX}*"))


def test_their_times_of_receipt_are_spread_over_days(ours: Ours) -> None:
    """So that a page of three days ago is one from the middle."""
    store_finished(ours.redis.url, COUNT, FINISH)
    middle = Filter(until_ms=now_ms() - 3 * 24 * 60 * 60 * 1000)
    older = len(list(find(Store(ours.redis.client, QUEUE), middle)))
    assert older == pytest.approx(COUNT / 2, abs=2)


def test_redis_keeps_hashes_as_the_products_configuration_says(ours: Ours) -> None:
    """What is measured is what `docker compose up` gives."""
    assert set(ours.redis.client.config_get("hash-max-*-value").values()) == {"16384"}


def test_they_may_be_of_several_sources_types_and_states(ours: Ours) -> None:
    """As the row about searching wants them."""
    store_finished(ours.redis.url, COUNT, FINISH, place_of)
    store = Store(ours.redis.client, QUEUE)
    assert {each.source for each in find(store, Filter())} == set(SOURCES)
    assert len(list(find(store, Filter(type="esa.kind_3")))) == len(range(3, COUNT, 29))
    assert len(list(find(store, Filter(state="dead")))) == len(range(3, COUNT, 100))
    assert [group.count for group in failure_groups(store)] == [2]
