"""What becomes of events, by looking again and again: as much as a person can read, however much there is.

New events are found by when they were received, finished ones by when they finished, and the changes between
by looking at those again that were not finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

from hookline.filters import Filter, matching, received_ms
from hookline.index import search
from hookline.keys import DEAD_PREFIX, DONE_PREFIX, EVENT_PREFIX, EVENTS_PREFIX
from hookline.ledger import FINISHED, RUN_FIELD, Run, runs_of
from hookline.operations import named, now_ms, redis_ms, text
from hookline.store import Store
from hookline.walk import among

MOST = 200
"""Events that a look gives: half of them new ones, half of them others that changed."""
HALF = MOST // 2
OVERLAP_MS = 1_000
"""New events are looked for so far back again, as the clocks of several receivers may differ."""
SIFTED = 1_000
"""Finished events of a look among which those that are meant are found."""
REMEMBERED = 2_000
_FIELDS = ("source", "type", "state", "received_at", "repeats", "replays", "error")
_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as it was at the last look."""

    id: str
    source: str
    type: str
    """Empty until a worker has read it."""
    state: str
    received_at_ms: int
    repeats: int
    replays: int
    error: str
    """Why it could not be read."""
    runs: dict[str, Run]

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class _Found:
    """Ids that a look came upon, where the next one begins, and how many there were besides."""

    ids: set[str]
    since_ms: int
    left_out: int


class Live:
    """Each `look` gives the events that are meant and changed since the one before; the first, what is new.

    A state that is asked for is one that an event comes into, an action one whose run it has by then. With
    `finished_since_ms` the first look also gives what has finished since then, whenever it was received.
    """

    def __init__(
        self, store: Store, wanted: Filter | None = None, *, finished_since_ms: int | None = None
    ) -> None:
        self._store, self._wanted = store, wanted or Filter()
        since_ms = self._wanted.since_ms
        self._received_ms = now_ms() - OVERLAP_MS if since_ms is None else since_ms
        self._finished_ms = finished_since_ms
        self._known: dict[str, Seen] = {}
        self.left_out = 0
        """How many events had changed besides those that the last look gave."""

    def look(self) -> list[Seen]:
        """The events that are new or not as they were, 200 at the most, by when they were received."""
        names = matching(self._store.index_names(), self._wanted)
        new, finished = self._new(names), self._finished(names)
        unfinished = [seen.id for seen in self._known.values() if not seen.is_finished][-MOST:]
        seen = list(_read(self._store, dict.fromkeys([*new.ids, *finished.ids, *unfinished])))
        fresh = [each for each in seen if each.id in new.ids]
        others = [each for each in seen if each.id not in new.ids and each != self._known.get(each.id)]
        changed = [*fresh, *others[:HALF]]
        self._remember(changed, gone=set(unfinished).difference(each.id for each in seen))
        self._received_ms, self._finished_ms = new.since_ms, finished.since_ms
        self.left_out = max(new.left_out, finished.left_out)
        return sorted(filter(self._is_meant, changed), key=lambda each: each.id)

    def _new(self, names: list[str]) -> _Found:
        since_ms = self._received_ms
        if self._wanted.action is None and self._wanted.state in FINISHED:
            return _Found(set(), since_ms, 0)  # those are found when they finish
        wanted = replace(self._wanted, state=None, action=None, since_ms=since_ms)
        page = search(self._store, wanted, size=HALF)
        if page.began_ms is None or page.reached_ms is None:
            return _Found(set(), since_ms, 0)
        ids = {summary.id for summary in page.events}.difference(self._known)
        next_ms = max(since_ms, min(page.began_ms, now_ms()) - OVERLAP_MS)
        if not page.cursor:
            return _Found(ids, next_ms, 0)
        return _Found(ids, max(next_ms, page.reached_ms), self._left_out(names, page.reached_ms))

    def _left_out(self, names: list[str], until_ms: int) -> int:
        """How many were received since the last look, and before those that this one looked at."""
        since_ms = self._received_ms
        with self._store.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcount(EVENTS_PREFIX + name, since_ms, f"({until_ms}")
            count = sum(map(int, pipeline.execute()))
        return max(0, count - sum(since_ms <= received_ms(event_id) < until_ms for event_id in self._known))

    def _finished(self, names: list[str]) -> _Found:
        wanted = replace(self._wanted, since_ms=None)
        is_selective = wanted not in (Filter(), Filter(source=wanted.source, state=wanted.state))
        most = SIFTED if is_selective else HALF
        since = "+inf" if self._finished_ms is None else self._finished_ms
        sources = {name.partition("/")[0] for name in names}
        with self._store.redis.pipeline(transaction=False) as pipeline:
            pipeline.time()  # Redis's, which wrote when they finished; the next look begins here
            for key in (prefix + source for prefix in self._finished_prefixes() for source in sources):
                pipeline.zrevrangebyscore(key, "+inf", since, start=0, num=most, withscores=True)
                pipeline.zcount(key, since, "+inf")
            time, *answers = pipeline.execute()
        latest = sorted((pair for pairs in answers[::2] for pair in pairs), key=itemgetter(1), reverse=True)
        ids = text(event_id for event_id, _ in latest[:most])
        if is_selective:
            ids = [summary.id for summary in among(self._store, wanted, ids)]
        return _Found(set(ids[:HALF]), redis_ms(time), sum(answers[1::2]) - min(most, len(latest)))

    def _finished_prefixes(self) -> tuple[str, ...]:
        """The sets to look in. With an action the state is its run's, which says little of the event's."""
        if self._wanted.state is None or self._wanted.action is not None:
            return DONE_PREFIX, DEAD_PREFIX
        return {"done": (DONE_PREFIX,), "dead": (DEAD_PREFIX,)}.get(self._wanted.state, ())

    def _is_meant(self, seen: Seen) -> bool:
        if self._wanted.action is None:
            return self._wanted.state in (None, seen.state)
        run = seen.runs.get(self._wanted.action)
        return run is not None and self._wanted.state in (None, run.state)

    def _remember(self, changed: Iterable[Seen], gone: Iterable[str]) -> None:
        for seen in changed:
            self._known.pop(seen.id, None)
            self._known[seen.id] = seen
        for event_id in gone:
            del self._known[event_id]
        for event_id in list(self._known)[:-REMEMBERED]:
            del self._known[event_id]


def _read(store: Store, ids: Iterable[str]) -> Iterator[Seen]:
    """These events without their bodies, those left out of which nothing is stored."""
    with store.redis.pipeline(transaction=False) as pipeline:
        for event_id in (ids := list(ids)):
            pipeline.hmget(EVENT_PREFIX + event_id, _FIELDS)
            pipeline.hscan(EVENT_PREFIX + event_id, match=RUN_FIELD + "*", count=_MOST_FIELDS)
        answers = pipeline.execute()
    for event_id, values, (_, runs) in zip(ids, answers[::2], answers[1::2], strict=True):
        if values[2] is not None:
            source, kind, state, received_at, repeats, replays, error = (value or b"" for value in values)
            yield Seen(
                event_id,
                source.decode(),
                kind.decode(),
                state.decode(),
                int(received_at),
                int(repeats or 0),
                int(replays or 0),
                error.decode(),
                runs_of(named(runs)),
            )
