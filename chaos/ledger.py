"""The final ledger: what Hookline itself has of every event, read once, when all is over."""

from __future__ import annotations

import json
from typing import Any

from redis import Redis

from chaos.deliveries import PROVIDERS, delivery_key
from chaos.records import Stored

EVENT_KEYS = "hookline:event:*"
_PAGE = 1000


def read_ledger(redis: Redis) -> dict[str, Stored]:
    """Every stored event by its id."""
    found = {}
    for key in redis.scan_iter(match=EVENT_KEYS, count=_PAGE):
        fields: dict[bytes, bytes] = redis.hgetall(key)  # type: ignore[assignment]
        stored = _stored(key.decode().rpartition(":")[2], fields)
        found[stored.event_id] = stored
    return found


def is_quiet(redis: Redis) -> bool:
    """Whether every stored event is done or dead."""
    keys = list(redis.scan_iter(match=EVENT_KEYS, count=_PAGE))
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hget(key, "state")
        return set(pipeline.execute()) <= {b"done", b"dead"}


def _stored(event_id: str, fields: dict[bytes, bytes]) -> Stored:
    source = fields[b"source"].decode()
    headers = ((name, value) for name, value in json.loads(fields[b"headers"]))
    delivery = delivery_key(source, headers, fields[b"body"]) if source in PROVIDERS else ""
    runs = [json.loads(value) for name, value in fields.items() if name.startswith(b"run:")]
    errors = [fields[b"error"].decode()] if b"error" in fields else []
    return Stored(event_id, source, delivery, fields[b"state"].decode(), errors + _errors(runs))


def _errors(runs: list[dict[str, Any]]) -> list[str]:
    return [str(attempt["error"]) for run in runs for attempt in run["attempts"] if attempt.get("error")]
