"""Looking at events live: what is new, what changed, and never more than a person can read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from hookline.connections import connect_async
from hookline.index import Filter
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import EVENT_PREFIX
from hookline.ledger import Attempt, Run
from hookline.live import HALF, MOST, Live
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

if TYPE_CHECKING:
    from redis import Redis


class Events:
    """Events that come, and become something."""

    def __init__(self, store: Store, url: str) -> None:
        self.store, self.url = store, url

    async def come(
        self, count: int = 1, *, source: str = "misskey", body: bytes = b"{}", at_ms: int | None = None
    ) -> list[str]:
        """So many are received."""
        at = at_ms or now_ms()
        events = [
            RawEvent(new_event_id(at), source, "misskey", at, os.urandom(8).hex(), 60_000, b"[]", body)
            for _ in range(count)
        ]
        client = connect_async(RedisSettings(url=self.url))
        try:
            commit = CommitScript(client, "hookline")
            return [each for n in range(0, count, 64) for each in (await commit(events[n : n + 64]))[1]]
        finally:
            await client.aclose()

    def take(self, ids: Sequence[str]) -> None:
        """A worker takes them."""
        self.store.take("me", 10_000, ids, execution="job:me")

    def record(self, ids: Sequence[str], state: str, *, kind: str = "misskey.note", run: str = "") -> None:
        """It writes that they are in this state, as is a run of the action p.x."""
        fields = {"run:p.x": Run("p.x", run or state, [Attempt(1, 1)]).to_json()}
        self.take(ids)
        assert self.store.record("me", [Change(each, dict(fields), state, kind) for each in ids]) == []


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


@pytest.fixture
def events(store: Store, redis_url: str) -> Events:
    """What happens meanwhile."""
    return Events(store, redis_url)


def told(live: Live) -> list[tuple[str, str]]:
    """The ids and states that a look gives."""
    return [(seen.id, seen.state) for seen in live.look()]


async def test_an_event_is_told_when_it_comes_and_whenever_it_changes(store: Store, events: Events) -> None:
    """Each time once."""
    live = Live(store)
    assert told(live) == []
    (event,) = await events.come()
    assert told(live) == [(event, "queued")]
    assert told(live) == []
    events.take([event])
    assert told(live) == [(event, "running")]
    events.record([event], "retrying")
    assert told(live) == [(event, "retrying")]
    assert told(live) == []
    events.record([event], "done")
    (seen,) = live.look()
    assert (seen.type, seen.state, seen.runs["p.x"].state) == ("misskey.note", "done", "done")
    assert told(live) == []


async def test_what_was_there_before_is_told_when_something_happens_to_it(
    store: Store, events: Events
) -> None:
    """A replay, say, of which only the end is seen; and what had waited since yesterday."""
    replayed, waiting = await events.come(2, at_ms=now_ms() - 86_400_000)
    events.record([replayed], "done")
    live = Live(store)
    assert told(live) == []
    store.replay([replayed])
    events.record([replayed], "dead")
    events.record([waiting], "done")
    assert sorted(told(live)) == sorted([(replayed, "dead"), (waiting, "done")])
    assert told(live) == []


async def test_what_finished_before_the_first_look_is_told_where_that_is_asked_for(
    store: Store, events: Events
) -> None:
    """A page that was made before its list is watched misses nothing that became what it shows meanwhile."""
    before, since = await events.come(2, at_ms=now_ms() - 60_000)
    events.record([before], "done", kind="misskey.reply")
    made_at_ms = store.redis.zscore("hookline:done:misskey", before) + 1
    while now_ms() < made_at_ms:
        pass
    events.record([since], "done")
    wanted = Filter(type="misskey.note", since_ms=int(made_at_ms))
    assert told(Live(store, wanted)) == []
    live = Live(store, wanted, finished_since_ms=int(made_at_ms))
    assert told(live) == [(since, "done")]
    assert told(live) == []


async def test_of_very_many_the_newest_are_told_and_the_rest_is_counted(store: Store, events: Events) -> None:
    """A flood doesn't make a look long, and what was left out doesn't come late."""
    live, at = Live(store), now_ms()
    old = await events.come(150, at_ms=at + 1)
    new = await events.come(HALF, at_ms=at + 2)
    assert sorted(told(live)) == [(each, "queued") for each in sorted(new)]
    assert live.left_out == 150
    assert (told(live), live.left_out) == ([], 0)

    events.record([*old, *new], "done")
    finished = live.look()
    assert {seen.state for seen in finished} == {"done"}
    assert len(finished) <= MOST
    assert live.left_out == 150
    rest = [*live.look(), *live.look()]
    assert {seen.id for seen in [*finished, *rest]} >= set(new)
    assert (told(live), live.left_out) == ([], 0)


async def test_what_comes_while_a_flood_was_left_out_is_told(store: Store, events: Events) -> None:
    """The next look begins where the one before ended."""
    live, at = Live(store), now_ms()
    await events.come(HALF + 50, at_ms=at + 1)
    live.look()
    (after,) = await events.come(at_ms=at + 2)
    assert told(live) == [(after, "queued")]


async def test_an_event_of_a_receiver_whose_clock_is_behind_is_told(store: Store, events: Events) -> None:
    """Half a second late it still comes as new; one of the spool, much later, when it ends."""
    at = now_ms()
    live = Live(store, Filter(since_ms=at - 10_000))
    await events.come(at_ms=at)
    live.look()
    (late,) = await events.come(at_ms=at - 500)
    (spooled,) = await events.come(at_ms=at - 5_000)
    assert told(live) == [(late, "queued")]
    events.record([spooled], "done")
    assert told(live) == [(spooled, "done")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(source="team"), ["queued", "running", "done"]),
        (Filter(type="esa.*"), ["running", "done"]),
        (Filter(text='"HERE'), ["queued", "running", "done"]),
        (Filter(state="running"), ["running"]),
        (Filter(state="done"), ["done"]),
        (Filter(state="dead"), []),
        (Filter(action="p.x"), ["running", "done"]),
        (Filter(action="p.x", state="running"), ["running"]),
        (Filter(action="p.x", state="done"), ["done"]),
        (Filter(action="p.y"), []),
        (Filter(source="team", type="esa.*", text='"here', state="done"), ["done"]),
    ],
)
async def test_filters_narrow_it(store: Store, events: Events, wanted: Filter, expected: list[str]) -> None:
    """As those of a search; a state is that of the moment, of the run where an action is named."""
    live = Live(store, wanted)
    (meant,) = await events.come(source="team", body=b'"here"')
    (other,) = await events.come(source="other", body=b'"there"')
    seen = live.look()
    for state in ("", "done"):
        events.record([meant], state, kind="esa.post_create", run=state or "running")
        seen += live.look()
    events.record([other], "retrying")
    seen += live.look()
    assert [each.state for each in seen if each.id == meant] == expected
    assert any(each.id == other for each in seen) == (wanted == Filter(action="p.x"))


async def test_a_rare_dead_letter_is_told_among_very_many_that_are_done(store: Store, events: Events) -> None:
    """Looking for dead letters, one looks among these alone."""
    live = Live(store, Filter(state="dead"))
    live.look()
    many = await events.come(3 * MOST)
    events.record(many[:5], "dead")
    events.record(many[5:], "done")
    assert sorted(told(live)) == [(each, "dead") for each in sorted(many[:5])]
    assert live.left_out == 0


async def test_bodies_are_not_read_to_tell_of_events(store: Store, events: Events) -> None:
    """They may be a MiB each."""
    live = Live(store)
    await events.come(20, body=b"x" * 2**17)
    store.redis.config_resetstat()
    assert len(live.look()) == 20
    assert store.redis.info("stats")["total_net_output_bytes"] < 20_000


async def test_a_look_at_nothing_new_costs_little_however_much_is_stored(
    store: Store, events: Events
) -> None:
    """The finished ones that it has told of are not looked at again."""
    live = Live(store)
    events.record(await events.come(HALF), "done")
    assert len(live.look()) == HALF
    assert live.look() == []
    store.redis.config_resetstat()
    assert live.look() == []
    calls = {name: each["calls"] for name, each in store.redis.info("commandstats").items()}
    assert sum(calls.values()) < 1.5 * HALF


async def test_an_event_that_is_purged_is_forgotten(store: Store, events: Events) -> None:
    """Nothing more is told of it, and it is not looked for again."""
    live = Live(store)
    (event,) = await events.come()
    live.look()
    store.redis.delete(EVENT_PREFIX + event)
    assert live.look() == []
    store.redis.config_resetstat()
    assert live.look() == []
    assert "cmdstat_hscan" not in store.redis.info("commandstats")
