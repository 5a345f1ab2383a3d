"""Many finished events, quickly: stored by the receiver's own script and finished by the worker's own.

So what is in Redis is what the product itself writes, to the byte: a group of real events is first worked
off by a real worker, and what it wrote into their hashes is written into all. Left out are the network,
the actions, and handing each body back to a worker: the lease is given directly instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bench.contest import NotMeasuredError
from bench.deliveries import esa, raw_events
from bench.ours import QUEUE, Ours
from hookline.failures import failure_group
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.keys import EVENT_PREFIX
from hookline.operations import now_ms, text
from hookline.queue import GROUP_EVENTS, JOB_PREFIX, QueueKeys
from hookline.store import Change, Store

SOURCE = "team"
DAY_MS = 24 * 60 * 60 * 1000
_SPREAD_MS = 6 * DAY_MS
"""Over how long they seem to have come: retention keeps them for seven days."""
BYTES_PER_EVENT = 8_000
_DISTINCT_BODIES = 512
_AT_ONCE = 64 * GROUP_EVENTS
_COMMITS_AT_ONCE = 4
_LEASE = """
for i = 2, #ARGV do
  redis.call('HSET', KEYS[1] .. ARGV[i], 'lease', ARGV[1])
end
"""
_LEASE_TOKEN = "bench"  # noqa: S105 (it guards nothing)


@dataclass(frozen=True, slots=True)
class Finish:
    """What a real worker wrote into the hash of a finished event."""

    fields: dict[str, str]
    type: str

    @classmethod
    def of_a_worker(cls, ours: Ours) -> Finish:
        """Have a worker finish a group of events, and look at one of them."""
        before = ours.finished()
        ours.fill(GROUP_EVENTS, source=SOURCE)
        with ours.worker() as worker:
            ours.wait_until_finished(before + GROUP_EVENTS, worker)
        store = Store(ours.redis.client, QUEUE)
        return cls.of(store, store.event_ids()[-1])

    @classmethod
    def of(cls, store: Store, event_id: str) -> Finish:
        """Look at an event that a worker has finished."""
        fields = store.fields(event_id)
        written = {name: value.decode() for name, value in fields.items() if _is_of_a_run(name)}
        return cls(written, fields["type"].decode())


class Place(NamedTuple):
    """Where a finished event is found."""

    source: str
    type: str
    state: str


def store_finished(
    url: str, count: int, finish: Finish, place_of: Callable[[int], Place] | None = None
) -> None:
    """Add so many finished events, their receipt spread over the last six days. No worker may run meanwhile.

    All are done and as the worker's were, or each has the place that its number gives it.
    """
    places = map(place_of or (lambda _: Place(SOURCE, finish.type, "done")), range(count))
    events = _events(count, places)
    with Redis.from_url(url) as client:
        store = Store(client, QUEUE)
        while batch := list(islice(events, _AT_ONCE)):
            asyncio.run(_commit(url, [event for event, _ in batch]))
            _finish(store, [(event.id, place) for event, place in batch], finish)
            _forget_jobs(client)


def fits(count: int) -> bool:
    """Whether there is memory for so many: for Redis, and for what the kernel keeps of its file."""
    with open("/proc/meminfo", encoding="ascii") as file:
        available = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    return available * 1024 > count * BYTES_PER_EVENT


def _is_of_a_run(name: str) -> bool:
    return name.startswith("run:")


def _events(count: int, places: Iterator[Place]) -> Iterator[tuple[RawEvent, Place]]:
    """Distinct ones; the bodies alone come again."""
    pool = list(raw_events(SOURCE, "esa", esa, range(_DISTINCT_BODIES)))
    first_ms = now_ms() - _SPREAD_MS
    for number, place in enumerate(places):
        like = pool[number % _DISTINCT_BODIES]
        at_ms = first_ms + number * _SPREAD_MS // count
        key = f"{number:0{len(like.dedupe_key)}x}"
        new = new_event_id(at_ms)
        yield (
            like._replace(id=new, source=place.source, received_at_ms=at_ms, dedupe_key=key),
            place,
        )


async def _commit(url: str, events: list[RawEvent]) -> None:
    groups = (events[start : start + GROUP_EVENTS] for start in range(0, len(events), GROUP_EVENTS))
    async with AsyncRedis.from_url(url) as client:
        commit = CommitScript(client, QUEUE)

        async def take_turns() -> None:
            for group in groups:
                await commit(group)

        await asyncio.gather(*(take_turns() for _ in range(_COMMITS_AT_ONCE)))


def _finish(store: Store, events: list[tuple[str, Place]], finish: Finish) -> None:
    store.redis.eval(_LEASE, 1, EVENT_PREFIX, _LEASE_TOKEN, *(event_id for event_id, _ in events))
    if lost := store.record(_LEASE_TOKEN, [_change(event_id, place, finish) for event_id, place in events]):
        raise NotMeasuredError(f"{len(lost)} of {len(events)} events could not be finished")


def _change(event_id: str, place: Place, finish: Finish) -> Change:
    if place.state == "done":
        return Change(event_id, finish.fields, "done", place.type)
    groups = dict([failure_group("plugin.no_op", "RuntimeError: it was to fail")])
    fields = finish.fields | {"failures": " ".join(groups)}
    return Change(event_id, fields, place.state, place.type, failures=groups)


def _forget_jobs(client: Redis) -> None:
    """Nobody need work them off any more."""
    keys = QueueKeys(QUEUE)
    jobs = text(client.lrange(keys.queue, 0, -1))
    client.unlink(keys.queue, *(JOB_PREFIX + job for job in jobs))
