"""What version 0.1 has stored is found, replayed and purged as if it had been stored today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.index import failure_groups
from hookline.keys import COUNTERS_KEY, DEAD_PREFIX, DONE_PREFIX, EVENT_PREFIX, INDEX_KEY, OPEN_KEY
from hookline.ledger import Attempt, Run
from hookline.store import Change, Store
from hookline_worker import adopting
from hookline_worker.adopting import OLD_KEYS, Adoption
from hookline_worker.work import read

if TYPE_CHECKING:
    import pytest
    from redis import Redis


def put(store: Store, number: int, state: str, **fields: str) -> str:
    """An event as that version left it."""
    event_id = f"{number:012x}{'0' * 12}"
    mapping = {
        "source": "misskey",
        "provider": "misskey",
        "state": state,
        "received_at": str(number),
        **fields,
    }
    store.redis.hset(EVENT_PREFIX + event_id, mapping=mapping)
    store.redis.zadd(OLD_KEYS[0], {event_id: number})
    if state in ("done", "dead"):
        store.redis.hset(EVENT_PREFIX + event_id, "finished_at", str(number + 5))
        store.redis.zadd(OLD_KEYS[2], {event_id: number + 1_000})
    if state == "dead":
        store.redis.zadd(OLD_KEYS[1], {event_id: number + 5})
    return event_id


def test_it_is_in_todays_indexes(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished ones by when they finished, dead letters by failure; nothing is left of the old."""
    monkeypatch.setattr(adopting, "AT_ONCE", 2)
    monkeypatch.setattr(adopting, "TURN_SECONDS", 60.0)
    store = Store(redis)
    failed = Run("p.x", "dead", [Attempt(1, 1, "ValueError: 7 is bad")]).to_json()
    done = put(store, 1, "done", type="misskey.note")
    dead = put(store, 2, "dead", type="misskey.note", **{"run:p.x": failed})
    unread = put(store, 3, "dead", error="no JSON")
    waiting = put(store, 4, "queued")
    gone = put(store, 5, "done")
    redis.delete(EVENT_PREFIX + gone)

    Adoption(store).work()

    assert store.event_ids() == [done, dead, unread, waiting]
    assert redis.zrange(DONE_PREFIX + "misskey", 0, -1, withscores=True) == [(done.encode(), 6.0)]
    assert redis.zrange(DEAD_PREFIX + "misskey", 0, -1) == [dead.encode(), unread.encode()]
    assert redis.smembers(OPEN_KEY) == {waiting.encode()}
    assert redis.hget(COUNTERS_KEY, "open:misskey") == b"1"
    assert {(group.action, group.error, group.count) for group in failure_groups(store)} == {
        ("p.x", "ValueError: # is bad", 1),
        ("", "no JSON", 1),
    }
    assert redis.exists(*OLD_KEYS) == 0
    assert sorted(store.purge([done, dead, unread])) == [done, dead, unread]
    assert store.event_ids() == [waiting]
    assert failure_groups(store) == []


def counted(store: Store, what: str) -> int:
    """What is counted of the source, as it is now."""
    return int(store.redis.hget(COUNTERS_KEY, f"{what}:misskey") or 0)


def test_what_an_older_receiver_stores_later_is_found_a_minute_later(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are upgraded first."""
    monkeypatch.setattr(adopting, "TURN_SECONDS", 60.0)
    store = Store(redis)
    adoption = Adoption(store)
    adoption.work()
    event_id = put(store, 1, "queued")
    adoption.work()
    assert store.event_ids() == []
    adoption._next_look_at = 0.0
    adoption.work()
    assert store.event_ids() == [event_id]


def test_what_an_older_worker_finishes_of_todays_events_is_purged_like_any(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While workers are upgraded one after the other: it is in the old indexes of finished events alone."""
    monkeypatch.setattr(adopting, "TURN_SECONDS", 60.0)
    store = Store(redis)
    event_id = put(store, 1, "queued")
    Adoption(store).work()
    redis.hset(EVENT_PREFIX + event_id, "type", "misskey.note")
    put(store, 1, "dead", error="no JSON")
    redis.zrem(OLD_KEYS[0], event_id)

    Adoption(store).work()

    assert redis.zrange(DEAD_PREFIX + "misskey", 0, -1) == [event_id.encode()]
    assert redis.smembers(INDEX_KEY) == {b"misskey/misskey.note"}
    assert redis.exists(*OLD_KEYS) == 0
    assert store.purge([event_id]) == [event_id]
    assert redis.smembers(INDEX_KEY) == set()


def test_what_waits_for_its_retry_is_counted_however_it_came_to_wait(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 0.1 did not count it, whether it is taken before it is adopted or afterwards."""
    monkeypatch.setattr(adopting, "TURN_SECONDS", 60.0)
    store = Store(redis)
    ids = [put(store, number, "retrying") for number in (1, 2, 3)]
    store.take("me", 10_000, ids[:2], execution="job:me")
    assert counted(store, "retrying") == 0
    store.record("me", [Change(ids[0], {}, "retrying")])
    assert counted(store, "retrying") == 1
    Adoption(store).work()
    assert (counted(store, "retrying"), counted(store, "open")) == (2, 3)
    store.take("me", 10_000, ids, execution="job:me")
    assert counted(store, "retrying") == 0
    store.record("me", [Change(event_id, {}, "done") for event_id in ids])
    assert (counted(store, "retrying"), counted(store, "open")) == (0, 0)


def test_what_an_older_worker_takes_and_finishes_waits_no_longer(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no notice of what is counted."""
    monkeypatch.setattr(adopting, "TURN_SECONDS", 60.0)
    store = Store(redis)
    event_id = put(store, 1, "queued")
    store.take("me", 10_000, [event_id], execution="job:me")
    store.record("me", [Change(event_id, {}, "paused")])
    assert counted(store, "paused") == 1
    put(store, 1, "done")
    Adoption(store).work()
    assert counted(store, "paused") == 0


def test_the_type_of_an_event_is_told_again_as_it_may_not_be_indexed_by_it() -> None:
    """Version 0.1 wrote it into the event alone, and left it to be retried."""
    fields = {
        "source": b"team",
        "provider": b"esa",
        "received_at": b"1",
        "headers": b"[]",
        "body": b'{"kind":"something_new"}',
        "type": b"esa.something_new",
    }
    assert read("0" * 24, fields).news().type == "esa.something_new"
