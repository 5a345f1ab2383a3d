"""Makes an hour of what happened within seconds: events move back in time, and the counts by the minute."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

from hookline.keys import COUNTERS_KEY, EVENT_PREFIX, MINUTE_PREFIX, SECRETS_KEY
from hookline.ledger import runs_of
from hookline.operations import now_ms, text
from hookline.store import Store

_MINUTE_MS = 60_000
_HOUR_MINUTES = 60
_TIMES = re.compile(rb"\b1\d{12}\b")
_AS_SENT = ("body", "headers")


def spread_over_an_hour(store: Store) -> None:
    """Have it begin an hour ago, in its own order."""
    rng = random.Random(4)  # noqa: S311 (an even, repeatable disorder)
    ids = store.event_ids()
    ages = sorted((rng.triangular(0.4, _HOUR_MINUTES - 1, 18) for _ in ids), reverse=True)
    now = now_ms()
    moved = {}
    for old, age_minutes in zip(ids, ages, strict=True):
        at_ms = now - int(age_minutes * _MINUTE_MS)
        moved[old] = (f"{at_ms:012x}{old[12:]}", at_ms - int(old[:12], 16))
    for old, (new, by_ms) in moved.items():
        _move_event(store, old, new, by_ms)
    _move_in_indexes(store, moved)
    _count_again(store)
    _note_the_last(store)
    for days, source in enumerate(text(store.redis.hkeys(SECRETS_KEY)), 34):
        _make_secret_older(store, source, days)


def _note_the_last(store: Store) -> None:
    for event_id in store.event_ids():
        fields: Any = store.redis.hmget(EVENT_PREFIX + event_id, "source", "received_at")
        store.redis.hset(COUNTERS_KEY, b"last:" + fields[0], fields[1])


def _make_secret_older(store: Store, source: str, days: int) -> None:
    stored: Any = store.redis.hget(SECRETS_KEY, source)
    known = json.loads(stored)
    known["since"] -= days * 24 * _HOUR_MINUTES * _MINUTE_MS
    store.redis.hset(SECRETS_KEY, source, json.dumps(known))


def _move_event(store: Store, old: str, new: str, by_ms: int) -> None:
    redis: Any = store.redis
    key = EVENT_PREFIX + new
    redis.rename(EVENT_PREFIX + old, key)
    fields = {
        name: _TIMES.sub(lambda found: b"%d" % (int(found[0]) + by_ms), value)
        for name, value in store.fields(new).items()
        if name not in _AS_SENT
    }
    redis.hset(key, mapping=fields)


def _move_in_indexes(store: Store, moved: dict[str, tuple[str, int]]) -> None:
    redis: Any = store.redis
    for pattern in ("events:*", "done:*", "dead:*", "failure:*"):
        for key in text(redis.scan_iter(f"hookline:{pattern}")):
            for old, score in redis.zrange(key, 0, -1, withscores=True):
                new, by_ms = moved[old.decode()]
                redis.zrem(key, old)
                redis.zadd(key, {new: score + by_ms})


def _count_again(store: Store) -> None:
    """The same sums, each in its own minute; what was refused goes to the latest."""
    redis: Any = store.redis
    refused: Counter[str] = Counter()
    for key in text(redis.scan_iter(f"{MINUTE_PREFIX}*")):
        for name, count in redis.hgetall(key).items():
            if name.startswith(b"rejected:"):
                refused[name.decode()] += int(count)
        redis.delete(key)
    counts: Counter[tuple[int, str]] = Counter()
    for event_id in store.event_ids():
        _count_event(counts, store.fields(event_id))
    latest = max(minute for minute, _ in counts)
    counts.update({(latest, name): count for name, count in refused.items()})
    with redis.pipeline() as pipeline:
        for (minute, name), count in counts.items():
            pipeline.hset(f"{MINUTE_PREFIX}{minute}", name, count)
        pipeline.execute()


def _count_event(counts: Counter[tuple[int, str]], fields: dict[str, bytes]) -> None:
    source, state = fields["source"].decode(), fields["state"].decode()
    received = int(fields["received_at"]) // _MINUTE_MS
    counts[received, f"received:{source}"] += 1
    counts[received, f"repeated:{source}"] += int(fields.get("repeats", 0))
    counts[int(fields["finished_at"]) // _MINUTE_MS, f"{state}:{source}"] += 1
    for action, run in runs_of(fields).items():
        for number, attempt in enumerate(run.attempts, 1):
            outcome = run.state if number == len(run.attempts) else "retrying"
            counts[attempt.started_at_ms // _MINUTE_MS, f"runs:{outcome}:{action}"] += 1
