"""Reads what was noted minute by minute, and what was refused of late."""

from __future__ import annotations

from pydantic_core import from_json

from hookline.figures.kinds import Minute, Rejection
from hookline.keys import MINUTE_PREFIX, REJECTED_PREFIX, SECRETS_KEY
from hookline.operations import named
from hookline.store import Store

MINUTE_MS = 60_000


def read_minutes(store: Store, minutes: int, now_ms: int) -> list[Minute]:
    """The last so many minutes, the one of `now_ms` included; the oldest first, empty ones too."""
    last = now_ms // MINUTE_MS
    numbers = range(last - minutes + 1, last + 1)
    with store.redis.pipeline(transaction=False) as pipeline:
        for number in numbers:
            pipeline.hgetall(f"{MINUTE_PREFIX}{number}")
        answers = pipeline.execute()
    return [
        Minute(number * MINUTE_MS, {name: int(count) for name, count in named(counts).items()})
        for number, counts in zip(numbers, answers, strict=True)
    ]


def read_rejections(store: Store, source: str) -> list[Rejection]:
    """The latest refused deliveries of a source, 50 at most, from the newest; "" is those of none."""
    rows = [from_json(row) for row in store.redis.lrange(REJECTED_PREFIX + source, 0, -1)]
    return [Rejection(row["at"], row["reason"], row["peer"]) for row in rows]


def read_secret_ages(store: Store) -> dict[str, int]:
    """Since when each source has the secrets that it has, as far as receivers know; in ms since 1970."""
    found = named(store.redis.hgetall(SECRETS_KEY))
    return {source: from_json(text)["since"] for source, text in found.items()}
