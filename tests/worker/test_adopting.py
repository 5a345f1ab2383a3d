"""What version 0.1 has stored is found, replayed and purged as if it had been stored today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.index import failure_groups
from hookline.keys import COUNTERS_KEY, DEAD_PREFIX, DONE_PREFIX, EVENT_PREFIX, OPEN_KEY
from hookline.ledger import Attempt, Run
from hookline.store import Store
from hookline_worker import adopting
from hookline_worker.adopting import OLD_KEYS, Adoption

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
