"""Bulk replays: what is meant is written down, counted and steered; nothing is put back here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hookline import replays
from hookline.errors import HooklineError
from hookline.index import Filter
from hookline.keys import REPLAY_PREFIX
from hookline.operations import now_ms, text
from hookline.replays import (
    ask,
    begin,
    bulk,
    bulks,
    cancel_bulk,
    count,
    gather,
    pause_bulk,
    resume_bulk,
)
from hookline.store import Store

if TYPE_CHECKING:
    from redis import Redis

Stored = Callable[..., list[str]]


def listed(store: Store, bulk_id: str) -> list[str]:
    """The events that are still to be done."""
    return text(store.redis.lrange(f"{REPLAY_PREFIX}{bulk_id}:ids", 0, -1))


def test_the_finished_ones_of_a_filter_are_written_down_the_oldest_first(
    store: Store, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several chunks, each once; what is not finished runs anyway."""
    monkeypatch.setattr(replays, "AT_ONCE", 4)
    finished = stored(7, "done") + stored(3, "dead")
    stored(5, "queued")
    asked = ask(store, Filter(source="misskey"))
    assert listed(store, asked.id) == finished
    assert (asked.state, asked.total, asked.left) == ("running", 10, 10)
    assert asked.wanted == {"source": "misskey"}


def test_ids_are_written_down_once_each(store: Store, stored: Stored) -> None:
    """However often they are given; those of no event, or of one that still runs, are left out."""
    (done,), (queued,) = stored(1, "done"), stored(1, "queued")
    asked = ask(store, [done, queued, done, "nothing"])
    assert listed(store, asked.id) == [done]
    assert asked.wanted == {"ids": 3}


def test_what_was_asked_for_can_be_read_again(store: Store, stored: Stored) -> None:
    """By anybody who looks: the filter, the action and the rate."""
    stored(1, "dead")
    wanted = Filter(state="dead", since_ms=1_000)
    asked = ask(store, wanted, action="p.x", per_second=2.5)
    assert asked == bulk(store, asked.id)
    assert (asked.wanted, asked.action, asked.per_second) == (
        {"state": "dead", "since_ms": 1_000},
        "p.x",
        2.5,
    )


def test_counting_changes_nothing(store: Store, stored: Stored) -> None:
    """A dry run gives the number, and leaves no trace."""
    stored(3, "dead")
    stored(2, "queued")
    before = {key: store.redis.dump(key) for key in store.redis.scan_iter()}
    assert count(store, Filter()) == 3
    assert {key: store.redis.dump(key) for key in store.redis.scan_iter()} == before


def test_what_comes_after_it_was_asked_for_is_not_meant(store: Store, stored: Stored) -> None:
    """Else one that takes long to write down would go on with what it has not seen coming."""
    stored(2, "done")
    begun = begin(store, Filter())
    stored(1, "done", at_ms=now_ms() + 60_000)
    assert gather(store, begun.id, Filter()).total == 2


def test_one_without_events_is_over_at_once(store: Store, stored: Stored) -> None:
    """No worker need look at it."""
    asked = ask(store, Filter())
    assert (asked.state, asked.total, asked.is_over) == ("done", 0, True)
    assert asked.ended_at_ms
    assert store.redis.ttl(REPLAY_PREFIX + asked.id) > 6 * 24 * 60 * 60


def test_one_whose_asker_died_is_gone_after_an_hour(store: Store, stored: Stored) -> None:
    """With its list; nobody knows whether all was written down."""
    stored(3, "done")
    begun = begin(store, Filter())
    assert 0 < store.redis.ttl(REPLAY_PREFIX + begun.id) <= 3600

    def die(total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gather(store, begun.id, Filter(), tell=die)
    found = bulk(store, begun.id)
    assert found
    assert (found.state, found.total) == ("counting", 3)
    assert 0 < store.redis.ttl(f"{REPLAY_PREFIX}{begun.id}:ids") <= 3600
    assert not resume_bulk(store, begun.id)


def test_one_that_runs_or_rests_does_not_expire(store: Store, stored: Stored) -> None:
    """However long it takes."""
    stored(1, "done")
    asked = ask(store, Filter())
    assert pause_bulk(store, asked.id)
    for key in (REPLAY_PREFIX + asked.id, f"{REPLAY_PREFIX}{asked.id}:ids"):
        assert store.redis.ttl(key) == -1


def test_it_is_paused_resumed_and_cancelled(store: Store, stored: Stored) -> None:
    """Each only from where it makes sense; a cancelled one keeps its numbers and no list."""
    stored(2, "done")
    asked = ask(store, Filter())
    assert not resume_bulk(store, asked.id)
    assert pause_bulk(store, asked.id)
    assert not pause_bulk(store, asked.id)
    assert resume_bulk(store, asked.id)
    assert cancel_bulk(store, asked.id)
    assert not cancel_bulk(store, asked.id)
    assert not resume_bulk(store, asked.id)
    assert listed(store, asked.id) == []
    found = bulk(store, asked.id)
    assert found
    assert (found.state, found.total, found.done, found.left) == ("cancelled", 2, 0, 2)


def test_one_that_is_cancelled_while_it_is_counted_stays_so(
    store: Store, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of it isn't written down, and it doesn't run."""
    monkeypatch.setattr(replays, "AT_ONCE", 2)
    stored(6, "done")
    begun = begin(store, Filter())
    found = gather(store, begun.id, Filter(), tell=lambda _: cancel_bulk(store, begun.id) and None)
    assert (found.state, found.total) == ("cancelled", 2)
    assert listed(store, begun.id) == []


def test_they_are_listed_the_newest_first(store: Store, stored: Stored, redis: Redis) -> None:
    """Without those that have expired."""
    stored(1, "done")
    first, gone, last = (ask(store, Filter()) for _ in range(3))
    redis.zadd("hookline:replays", {first.id: 1, gone.id: 2, last.id: 3})
    redis.delete(REPLAY_PREFIX + gone.id)
    assert [each.id for each in bulks(store)] == [last.id, first.id]
    assert bulk(store, gone.id) is None
    assert bulk(store, "nothing") is None


@pytest.mark.parametrize("rate", [0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(store: Store, rate: float) -> None:
    """Before anything is written."""
    with pytest.raises(HooklineError, match="a second"):
        ask(store, Filter(), per_second=rate)
    assert bulks(store) == []
