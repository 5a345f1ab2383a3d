"""Listing and searching: from the newest, filtered, a page at a time, and never much at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from hookline import by_state, walk
from hookline.connections import connect_async
from hookline.errors import HooklineError
from hookline.failures import failure_group
from hookline.index import Filter, failure_groups, find, search, summaries
from hookline.intake import CommitScript, RawEvent
from hookline.keys import DEAD_PREFIX, DONE_PREFIX, EVENT_PREFIX, EVENTS_PREFIX, INDEX_KEY, OPEN_KEY
from hookline.ledger import Attempt, Run
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

JP = "メンション"


@pytest.fixture
def store(redis: Redis) -> Store:
    """The store over an empty Redis."""
    return Store(redis)


@pytest.fixture(params=["few", "many"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sets of a state, and as where those are too large, along the index."""
    if request.param == "many":
        monkeypatch.setattr(by_state, "FEW", 0)


def event_id(at: int, number: int = 0) -> str:
    """The id of an event that was received then."""
    return f"{at:012x}{number:012x}"


def put(store: Store, at: int, number: int = 0, **fields: str | bytes) -> str:
    """Store an event as a receiver and a worker leave it."""
    with store.redis.pipeline() as pipeline:
        write(pipeline, at, number, **fields)
        pipeline.execute()
    return event_id(at, number)


def write(
    pipeline: Pipeline, at: int, number: int = 0, *, state: str = "done", **fields: str | bytes
) -> None:
    """What that is in commands."""
    new = event_id(at, number)
    event: dict[str, Any] = {"source": "misskey", "type": "misskey.note", "body": b"{}", **fields}
    pipeline.hset(EVENT_PREFIX + new, mapping={"state": state, "received_at": at, **event})
    name = f"{event['source']}/{event['type']}"
    pipeline.sadd(INDEX_KEY, name)
    pipeline.zadd(EVENTS_PREFIX + name, {new: at})
    if state in ("done", "dead"):
        prefix = {"done": DONE_PREFIX, "dead": DEAD_PREFIX}[state]
        pipeline.zadd(prefix + event["source"], {new: at + 5_000})
    else:
        pipeline.sadd(OPEN_KEY, new)


def fill(store: Store, ats: range, **fields: str | bytes) -> None:
    """One at each of these moments."""
    with store.redis.pipeline(transaction=False) as pipeline:
        for at in ats:
            write(pipeline, at, **fields)
        pipeline.execute()


def fill_mixed(store: Store, numbers: range) -> None:
    """Events of 5 sources and 4 types; one in 40 is a dead letter, one in 2,000 of a rare type."""
    with store.redis.pipeline(transaction=False) as pipeline:
        for n in numbers:
            kind = "rare" if n % 2_000 == 1_777 else str(n % 4)
            write(pipeline, n, source=f"s{n % 5}", type=f"t.{kind}", state="dead" if n % 40 == 7 else "done")
        pipeline.execute()


def ids(store: Store, wanted: Filter) -> list[str]:
    """The ids of the events that are meant."""
    return [summary.id for summary in find(store, wanted)]


def pages(store: Store, wanted: Filter, **options: Any) -> Iterator[list[str]]:
    """The ids of each page, until the last."""
    cursor = None
    while cursor != "":
        page = search(store, wanted, cursor=cursor or "", **options)
        yield [summary.id for summary in page.events]
        cursor = page.cursor


def test_the_newest_come_first_over_several_steps(store: Store) -> None:
    """Every event once, however many were received in the same millisecond, and of whatever type."""
    count = 2 * walk.LOOKS + 7
    stored = [put(store, 1_000 + n // 50, n, type=f"misskey.{n % 3}") for n in range(count)]
    assert ids(store, Filter()) == stored[::-1]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), "edcba"),
        (Filter(source="team"), "b"),
        (Filter(type="esa.*"), "b"),
        (Filter(type="*.note"), "dca"),
        (Filter(type=""), "e"),
        (Filter(type="misskey.["), ""),
        (Filter(source="nobody"), ""),
        (Filter(state="done"), "ba"),
        (Filter(state="dead"), "c"),
        (Filter(state="queued"), "d"),
        (Filter(state="running"), "e"),
        (Filter(state="paused"), ""),
        (Filter(state="done", source="team"), "b"),
        (Filter(state="dead", type="esa.*"), ""),
        (Filter(state="queued", type="misskey.*"), "d"),
        (Filter(since_ms=200, until_ms=300), "cb"),
        (Filter(since_ms=201, until_ms=299), ""),
        (Filter(since_ms=-5, until_ms=100), "a"),
        (Filter(since_ms=2**50), ""),
        (Filter(state="dead", since_ms=301), ""),
        (Filter(state="dead", until_ms=300), "c"),
        (Filter(state="queued", until_ms=300), ""),
        (Filter(id=event_id(200)), "b"),
        (Filter(id=event_id(200), source="misskey"), ""),
        (Filter(id=event_id(200), until_ms=199), ""),
        (Filter(id=event_id(0x12C)[:12]), "c"),
        (Filter(id=event_id(0x12C)[:12].upper()), "c"),
        (Filter(id=event_id(200)[:10]), "ba"),
        (Filter(id="0"), "edcba"),
        (Filter(id="1"), ""),
        (Filter(id="no hex"), ""),
        (Filter(id=event_id(200) + "0"), ""),
    ],
)
def test_filters_narrow_it(store: Store, wanted: Filter, expected: str) -> None:
    """By source, type, state, time of receipt and id, and by several of them at once."""
    put(store, 100)
    put(store, 200, source="team", type="esa.post_create")
    put(store, 300, state="dead")
    put(store, 400, state="queued")
    put(store, 500, state="running", type="")
    names = {event_id(at): name for at, name in zip(range(100, 600, 100), "abcde", strict=True)}
    assert "".join(names[each] for each in ids(store, wanted)) == expected


@pytest.mark.usefixtures("either_way")
def test_an_action_narrows_it_to_the_events_that_it_ran_on(store: Store) -> None:
    """With a state, to those where its own run is in that state: a sibling's failure is not this action's."""
    done = Run("p.x", "done", [Attempt(1, 1)]).to_json()
    dead = Run("p.x", "dead", [Attempt(1, 1, "ValueError")]).to_json()
    a = put(store, 100, state="dead", **{"run:p.x": done, "run:p.y": dead})
    b = put(store, 200, state="dead", **{"run:p.x": dead})
    put(store, 300, state="dead", **{"run:p.y": dead})
    d = put(store, 400, state="retrying", **{"run:p.x": dead})
    assert ids(store, Filter(action="p.x")) == [d, b, a]
    assert ids(store, Filter(action="p.x", state="dead")) == [d, b]
    assert ids(store, Filter(action="p.x", state="done")) == [a]
    assert [summary.run_state for summary in find(store, Filter(action="p.x"))] == ["dead", "dead", "done"]


def test_an_event_that_was_purged_meanwhile_is_passed_over(store: Store) -> None:
    """An index may be a moment behind."""
    first, second = put(store, 100), put(store, 200)
    store.redis.delete(EVENT_PREFIX + second)
    assert ids(store, Filter()) == [first]
    assert [summary.id for summary in summaries(store, [second, first])] == [first]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("wanted", [Filter(), Filter(state="dead"), Filter(source="team", state="dead")])
def test_pages_follow_one_another_without_gap_or_repeat(store: Store, wanted: Filter) -> None:
    """Each as long as was asked for, but the last, which has no cursor."""
    stored = [put(store, 1_000 + n // 4, n, state="dead", source="team") for n in range(25)]
    newest_first = stored[::-1]
    assert list(pages(store, wanted, size=10)) == [newest_first[:10], newest_first[10:20], newest_first[20:]]
    assert list(pages(store, wanted, size=25)) == [newest_first]
    assert list(pages(store, Filter(source="nobody"), size=10)) == [[]]


def test_a_page_tells_how_far_it_has_looked(store: Store) -> None:
    """What was looked at in vain counts, too."""
    for at in (100, 200, 300):
        put(store, at, type="other")
    put(store, 150, state="queued")
    page = search(store, Filter(state="queued"))
    assert (len(page.events), page.looked_at, page.reached_ms, page.cursor) == (1, 1, 150, "")
    page = search(store, Filter(action="p.x"))
    assert (page.events, page.looked_at, page.began_ms, page.reached_ms) == ([], 4, 300, 100)
    page = search(store, Filter(), size=2)
    assert (page.reached_ms, page.cursor) == (200, event_id(200))
    page = search(store, Filter(source="nobody"))
    assert (page.looked_at, page.began_ms, page.reached_ms) == (0, None, None)


@pytest.mark.parametrize("state", [None, "queued"])
def test_a_search_whose_time_is_over_can_be_gone_on_with(store: Store, state: str | None) -> None:
    """It comes back after a step, with what it has and a cursor; by the last page all were looked at."""
    count = 2 * walk.LOOKS + 100
    fill(store, range(count), state="queued")
    rare = put(store, 5, 1, state="queued", body=b'"here"')
    wanted = Filter(state=state, text="here")
    assert list(pages(store, wanted, seconds=0)) == [[], [], [rare]]
    first = search(store, wanted, seconds=0)
    assert (first.looked_at, first.cursor) == (walk.LOOKS, event_id(count - walk.LOOKS))


@pytest.mark.parametrize("cursor", ["x", "01a2", event_id(1) + "0", event_id(1).replace("1", "Z"), "\n"])
def test_what_is_no_cursor_is_named(store: Store, cursor: str) -> None:
    """Whoever wrote it into an address learns what it should be."""
    with pytest.raises(HooklineError) as raised:
        search(store, Filter(), cursor=cursor)
    assert repr(cursor) in str(raised.value)


@pytest.mark.parametrize(
    ("body", "text", "is_there"),
    [
        ('{"text": "Hello Wörld"}', "hello w", True),
        ('{"text": "Hello"}', "HELLO", True),
        ('{"text": "Hello"}', "hello.", False),
        ('{"text": "Hello"}', "h[e]llo", False),
        (json.dumps({"text": JP}, ensure_ascii=False), JP[1:3], True),
        (json.dumps({"text": JP}), JP[1:3], True),
        (json.dumps({"text": JP}).replace("\\u30e1", "\\u30E1"), JP[:2], True),
        (json.dumps({"text": "a 😀 b"}), "😀 B", True),
        (json.dumps({"text": JP}), "ああ", False),
        (json.dumps({"text": 'say "hi"\n'}), 'say "hi"\n', True),
        ('{"text": "1 \\u003c 2 \\u0026 3"}', "1 < 2 & 3", True),
        ('say "hi"', 'say "hi"', True),
        ("%_100%", "%_100%", True),
        (b"\xff\xfe raw", "raw", True),
        ("anything", "\ud800", False),
    ],
)
def test_a_text_is_found_however_the_sender_wrote_it(
    store: Store, body: str | bytes, text: str, is_there: bool
) -> None:
    """As it is, or with JSON's escapes; it is no pattern."""
    put(store, 100, body=body)
    put(store, 200, body=b"")
    assert ids(store, Filter(text=text)) == [event_id(100)] * is_there


def test_a_step_reads_so_many_bytes_of_bodies_at_the_most(store: Store) -> None:
    """Redis does nothing else meanwhile. One body that is larger than that is searched alone."""
    large = b"x" * (walk.BYTES // 4)
    for n in range(10):
        put(store, n, body=large)
    put(store, 20, body=large * 8)
    looked_at = [step.looked_at for step in walk.walk(store, Filter(text="y"), most=50)]
    assert looked_at == [1, 4, 4, 2]


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("wanted", [Filter(state="queued", text="y"), Filter(text="y", source="misskey")])
def test_a_step_looks_at_so_many_events_at_the_most(store: Store, wanted: Filter) -> None:
    """However many there are to look at."""
    fill(store, range(2 * walk.LOOKS), state="queued")
    assert max(step.looked_at for step in walk.walk(store, wanted, most=50)) == walk.LOOKS


def test_a_page_of_20000_events_costs_what_one_of_2000_does(store: Store) -> None:
    """In commands and in bytes, whatever is asked for: what isn't on the page is not read."""
    kinds = (
        {"source": "s1"},
        {"type": "t.rare"},
        {"state": "dead"},
        {"until_ms": 19_000},
        {"id": event_id(19_345)},
    )
    wanted = [Filter(), *(Filter(**kind) for kind in kinds)]
    fill_mixed(store, range(18_000, 20_000))
    few = [_cost(store, lambda each=each: search(store, each)) for each in wanted]
    fill_mixed(store, range(18_000))
    many = [_cost(store, lambda each=each: search(store, each)) for each in wanted]
    assert all(after.commands < 2 * max(before.commands, 60) for before, after in zip(few, many, strict=True))
    assert max(each.bytes for each in many) < 40_000


class _Cost:
    def __init__(self, info: dict[str, Any], stats: dict[str, Any]) -> None:
        self.commands = sum(each["calls"] for each in info.values())
        self.bytes = stats["total_net_output_bytes"]


def _cost(store: Store, work: Callable[[], object]) -> _Cost:
    """The commands that Redis ran for this, those of scripts among them, and the bytes that it answered."""
    store.redis.config_resetstat()
    work()
    return _Cost(store.redis.info("commandstats"), store.redis.info("stats"))


async def _committed(url: str, ats: range) -> list[str]:
    """Events as the receiver stores them, the oldest first."""
    events = [
        RawEvent(event_id(at), "misskey", "misskey", at, f"key-{at}", 60_000, b"[]", b"{}") for at in ats
    ]
    client = connect_async(RedisSettings(url=url))
    try:
        return (await CommitScript(client, "hookline")(events))[1]
    finally:
        await client.aclose()


def _finish(store: Store, event_ids: list[str], kind: str, **change: Any) -> None:
    """Take and finish them as a worker does."""
    store.take("me", 10_000, event_ids, execution="job:me")
    changes = [Change(each, {"type": kind}, "done", kind) for each in event_ids]
    for each in changes:
        for name, value in change.items():
            setattr(each, name, value)
    assert store.record("me", changes) == []


async def test_events_that_move_while_somebody_pages_are_neither_missed_nor_repeated(
    store: Store, redis_url: str
) -> None:
    """A worker reads events, which then are found elsewhere, after every page and of a new type each time."""
    stored = await _committed(redis_url, range(1_000, 1_060))
    _finish(store, stored[:20], "misskey.note")
    found: list[str] = []
    for number, page in enumerate(pages(store, Filter(), size=7)):
        found += page
        _finish(store, [stored[20 + number], stored[59 - number]], f"misskey.new_{number}")
    assert found == stored[::-1]


async def test_an_event_that_moves_to_where_nobody_knew_to_look_is_not_missed(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its type is the first of its kind, and it was read just after the names of all types were."""
    stored = await _committed(redis_url, range(1_000, 1_003))
    register = store.redis.register_script

    def moving_first(script: str) -> Callable[..., Any]:
        search = register(script)

        def call(**given: Any) -> Any:
            if store.redis.sismember(INDEX_KEY, "misskey/misskey.first") == 0:
                _finish(store, stored[1:2], "misskey.first")
            return search(**given)

        return call

    monkeypatch.setattr(store.redis, "register_script", moving_first)
    assert ids(store, Filter()) == stored[::-1]


def test_dead_letters_of_an_old_outage_are_not_looked_for_among_newer_events(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many both are: none of them was received after the last of them died."""
    monkeypatch.setattr(by_state, "FEW", 0)
    old = [put(store, at, state="dead") for at in range(1_000, 1_005)]
    fill(store, range(200_000, 201_000))
    page = search(store, Filter(state="dead"))
    assert [summary.id for summary in page.events] == old[::-1]
    assert page.looked_at == len(old)


async def test_dead_letters_are_grouped_by_action_and_error(store: Store, redis_url: str) -> None:
    """The largest group first, numbers in the error apart; an event with two failed runs is in two."""
    stored = await _committed(redis_url, range(1_000, 1_005))
    for n, each in enumerate(stored):
        groups = dict([failure_group("p.x", f"ValueError: no {n}")])
        if n == 4:
            groups |= dict([failure_group("p.y", "TypeError: other")])
        _finish(
            store,
            [each],
            "misskey.note",
            state="dead",
            failures=groups,
            fields={"failures": " ".join(groups)},
        )
    large, small = failure_groups(store)
    assert (large.action, large.error, large.count) == ("p.x", "ValueError: no #", 5)
    assert (small.action, small.error, small.count) == ("p.y", "TypeError: other", 1)
    assert large.latest_ms == small.latest_ms == int(store.fields(stored[4])["finished_at"])
    assert ids(store, Filter(failure=large.id)) == stored[::-1]
    assert ids(store, Filter(failure=small.id)) == stored[4:]
    assert ids(store, Filter(failure="nobody's")) == []

    store.replay(stored[4:])
    assert [group.count for group in failure_groups(store)] == [4]


async def test_a_group_of_very_many_dead_letters_is_listed_along_the_index(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same events, page by page."""
    monkeypatch.setattr(by_state, "FEW", 0)
    stored = await _committed(redis_url, range(1_000, 1_010))
    (group, label) = failure_group("p.x", "ValueError")
    change = {"state": "dead", "failures": {group: label}, "fields": {"failures": f"another {group}"}}
    _finish(store, stored[::2], "misskey.note", **change)
    _finish(store, stored[1::2], "misskey.note")
    assert ids(store, Filter(failure=group)) == stored[::2][::-1]


def test_an_event_whose_type_becomes_known_meanwhile_is_not_missed(redis: Redis) -> None:
    """It moves to a set that was not there when their names were read."""
    untyped, typed = "misskey/", "misskey/misskey.note"

    class Overtaken(Store):
        def index_names(self) -> set[str]:
            names = super().index_names()
            with self.redis.pipeline() as pipeline:
                pipeline.srem(INDEX_KEY, untyped)
                pipeline.sadd(INDEX_KEY, typed)
                pipeline.rename(EVENTS_PREFIX + untyped, EVENTS_PREFIX + typed)
                pipeline.execute()
            return names

    stored = put(Store(redis), 1_000, type="")
    assert Overtaken(redis).event_ids() == [stored]
