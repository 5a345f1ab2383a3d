"""Bulk replays: which events are to run again is written down first, and the workers do it little by little.

Whatever is killed, and whenever, each event is replayed once: one script takes it off the list and puts it
back to run (`feed.lua`).
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast

from hookline.errors import HooklineError
from hookline.index import Filter, Summary, find, summaries
from hookline.keys import REPLAY_PREFIX, REPLAYS_KEY
from hookline.ledger import FINISHED
from hookline.operations import batches, named, now_ms, text
from hookline.scripts import script
from hookline.store import Store

AT_ONCE = 1_000
COUNTING_MS = 60 * 60 * 1_000
"""For how long one that is being counted lives on when nothing more is added: whoever asked for it died."""
KEPT_MS = 7 * 24 * 60 * 60 * 1_000
ENDED = ("done", "cancelled")
UNENDED = ("counting", "running", "paused")

BulkState = Literal["counting", "running", "paused", "done", "cancelled"]


Wanted = Filter | Sequence[str]
"""Which events: what a filter finds, or these ids. Those of them are replayed that are finished."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk replay, and how far it is."""

    id: str
    wanted: dict[str, Any]
    """What was asked for, to be shown: the filter's fields, or `ids`, how many."""
    action: str
    """The one action that is to run, or empty for all that match."""
    per_second: float | None
    """How many events are put back in a second, at the most; None for as many as the workers do."""
    state: BulkState
    asked_at_ms: int
    total: int
    """How many events there are to do; it grows while the state is `counting`."""
    done: int
    """How many of them were put back to run."""
    skipped: int
    """How many were gone, or not finished, when it was their turn."""
    ended_at_ms: int | None

    @property
    def left(self) -> int:
        """How many are still to be done."""
        return self.total - self.done - self.skipped

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED


def meant(store: Store, wanted: Wanted) -> Iterator[Summary]:
    """The wanted events, finished or not, the latest first; each once. Nothing is changed."""
    if isinstance(wanted, Filter):
        yield from find(store, wanted)
        return
    for ids in batches(sorted(set(wanted), reverse=True), AT_ONCE):  # they begin with when they were received
        yield from summaries(store, ids)


def count(store: Store, wanted: Wanted) -> int:
    """How many events would be replayed. Nothing is changed."""
    return sum(event.state in FINISHED for event in meant(store, wanted))


def ask(store: Store, wanted: Wanted, *, action: str = "", per_second: float | None = None) -> Bulk:
    """Have these events replayed: `begin` and `gather` in one. Comes back when all are written down."""
    return gather(store, begin(store, wanted, action=action, per_second=per_second).id, wanted)


def begin(store: Store, wanted: Wanted, *, action: str = "", per_second: float | None = None) -> Bulk:
    """Make a bulk replay whose events are still to be written down by `gather`, within an hour."""
    if per_second is not None and not 0 < per_second < math.inf:
        raise HooklineError(f"{per_second} events a second is no rate; give a number above 0, or none")
    bulk_id, asked_at_ms = secrets.token_hex(4), now_ms()
    fields: dict[Any, Any] = {
        "filter": json.dumps(_shown(wanted)),
        "action": action,
        "per_second": per_second or "",
        "state": "counting",
        "asked_at": asked_at_ms,
    }
    with store.redis.pipeline() as pipeline:
        pipeline.hset(REPLAY_PREFIX + bulk_id, mapping=fields)
        pipeline.pexpire(REPLAY_PREFIX + bulk_id, COUNTING_MS)
        pipeline.zadd(REPLAYS_KEY, {bulk_id: asked_at_ms})
        pipeline.execute()
    return _found(store, bulk_id)


def gather(
    store: Store, bulk_id: str, wanted: Wanted, tell: Callable[[int], None] = lambda total: None
) -> Bulk:
    """Write down its events, `tell` how many there are so far, and let it run. It may have been cancelled."""
    if isinstance(wanted, Filter) and wanted.until_ms is None:
        wanted = replace(wanted, until_ms=_found(store, bulk_id).asked_at_ms)  # what comes now is not meant
    total = 0
    finished = (event.id for event in meant(store, wanted) if event.state in FINISHED)
    for ids in batches(finished, AT_ONCE):
        if not _steer(store, bulk_id, "counting", "counting", ids=ids):
            return _found(store, bulk_id)
        total += len(ids)
        tell(total)
    _steer(store, bulk_id, "running", "counting")
    return _found(store, bulk_id)


def bulks(store: Store) -> list[Bulk]:
    """Every bulk replay, those that ended in the last 7 days among them, the newest first."""
    ids = text(store.redis.zrevrange(REPLAYS_KEY, 0, -1))
    with store.redis.pipeline(transaction=False) as pipeline:
        for bulk_id in ids:
            pipeline.hgetall(REPLAY_PREFIX + bulk_id)
        rows = pipeline.execute()
    return [_read(bulk_id, named(row)) for bulk_id, row in zip(ids, rows, strict=True) if row]


def bulk(store: Store, bulk_id: str) -> Bulk | None:
    """The bulk replay of this id; None when there is none, or none any more."""
    fields = named(store.redis.hgetall(REPLAY_PREFIX + bulk_id))
    return _read(bulk_id, fields) if fields else None


def pause_bulk(store: Store, bulk_id: str) -> bool:
    """Let it rest; what it has put back already runs. Whether it was running."""
    return _steer(store, bulk_id, "paused", "running")


def resume_bulk(store: Store, bulk_id: str) -> bool:
    """Let it go on. Whether it was paused."""
    return _steer(store, bulk_id, "running", "paused")


def cancel_bulk(store: Store, bulk_id: str) -> bool:
    """End it; what it has put back already runs. Whether it was not over yet."""
    return _steer(store, bulk_id, "cancelled", *UNENDED)


def _steer(store: Store, bulk_id: str, new: BulkState, *old: str, ids: Sequence[str] = ()) -> bool:
    steer = store.redis.register_script(script("steer"))
    key = REPLAY_PREFIX + bulk_id
    lives_ms = COUNTING_MS if new == "counting" else KEPT_MS
    return bool(steer(keys=[key, f"{key}:ids"], args=[new, lives_ms, len(old), *old, *ids]))


def _shown(wanted: Wanted) -> dict[str, Any]:
    if isinstance(wanted, Filter):
        return {name: value for name, value in asdict(wanted).items() if value not in (None, "")}
    return {"ids": len(set(wanted))}


def _found(store: Store, bulk_id: str) -> Bulk:
    found = bulk(store, bulk_id)
    if found is None:
        raise HooklineError(f"there is no bulk replay {bulk_id!r} any more; `hookline replays` lists them")
    return found


def _read(bulk_id: str, fields: dict[str, bytes]) -> Bulk:
    rate, ended_at = fields["per_second"], fields.get("ended_at")
    total, done, skipped = (int(fields.get(name, 0)) for name in ("total", "done", "skipped"))
    return Bulk(
        bulk_id,
        json.loads(fields["filter"]),
        fields["action"].decode(),
        float(rate) if rate else None,
        cast("BulkState", fields["state"].decode()),
        int(fields["asked_at"]),
        total,
        done,
        skipped,
        int(ended_at) if ended_at else None,
    )
