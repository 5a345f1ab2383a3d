"""Listing: the newest first, filtered, a page at a time. Only Redis's own commands, so fakeredis will do."""

from __future__ import annotations

import pytest
from fakeredis import FakeRedis

from hookline.index import PAGE, Filter, find
from hookline.keys import DEAD_PREFIX, EVENT_PREFIX, EVENTS_PREFIX, INDEX_KEY
from hookline.ledger import Attempt, Run
from hookline.store import Store


@pytest.fixture
def store() -> Store:
    """A store without events."""
    return Store(FakeRedis())


def put(store: Store, event_id: str, at: int, *, state: str = "done", **fields: str) -> None:
    """Store an event as a receiver and a worker leave it."""
    mapping = {"source": "misskey", "type": "misskey.note", "state": state, "received_at": str(at), **fields}
    store.redis.hset(EVENT_PREFIX + event_id, mapping=mapping)
    name = f"{mapping['source']}/{mapping['type']}"
    store.redis.sadd(INDEX_KEY, name)
    store.redis.zadd(EVENTS_PREFIX + name, {event_id: at})
    if state == "dead":
        store.redis.zadd(DEAD_PREFIX + mapping["source"], {event_id: at + 5_000})


def ids(store: Store, wanted: Filter) -> list[str]:
    """The ids of the events that are meant."""
    return [summary.id for summary in find(store, wanted)]


def test_the_newest_come_first_over_several_pages(store: Store) -> None:
    """Every event once, whatever the size of a page."""
    count = 2 * PAGE + 7
    for n in range(count):
        put(store, f"e{n}", n)
    assert ids(store, Filter()) == [f"e{n}" for n in reversed(range(count))]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(source="team"), ["b"]),
        (Filter(type="esa.*"), ["b"]),
        (Filter(type="misskey.note"), ["d", "c", "a"]),
        (Filter(state="dead"), ["c"]),
        (Filter(state="queued"), ["d"]),
        (Filter(since_ms=200, until_ms=300), ["c", "b"]),
        (Filter(state="dead", since_ms=301), []),
        (Filter(state="dead", until_ms=300), ["c"]),
        (Filter(source="nobody"), []),
    ],
)
def test_filters_narrow_it(store: Store, wanted: Filter, expected: list[str]) -> None:
    """By source, type, state and time of receipt, also for dead letters, whose index is by another time."""
    put(store, "a", 100)
    put(store, "b", 200, source="team", type="esa.post_create")
    put(store, "c", 300, state="dead")
    put(store, "d", 400, state="queued")
    assert ids(store, wanted) == expected


def test_an_action_narrows_it_to_the_events_that_it_ran_on(store: Store) -> None:
    """With a state, to those where its own run is in that state: a sibling's failure is not this action's."""
    done = Run("p.x", "done", [Attempt(1, 1)]).to_json()
    dead = Run("p.x", "dead", [Attempt(1, 1, "ValueError")]).to_json()
    put(store, "a", 100, state="dead", **{"run:p.x": done, "run:p.y": dead})
    put(store, "b", 200, state="dead", **{"run:p.x": dead})
    put(store, "c", 300, state="dead", **{"run:p.y": dead})
    assert ids(store, Filter(action="p.x")) == ["b", "a"]
    assert ids(store, Filter(action="p.x", state="dead")) == ["b"]


def test_an_event_that_was_purged_meanwhile_is_passed_over(store: Store) -> None:
    """The index may be a moment behind."""
    put(store, "a", 100)
    put(store, "b", 200)
    store.redis.delete(EVENT_PREFIX + "b")
    assert ids(store, Filter()) == ["a"]
