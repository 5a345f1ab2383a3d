"""The book of alarms in Redis, and whose turn it is to tell: one process of all, as long as it lives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from redis import WatchError
from redis.client import Pipeline

from hookline.keys import ALARMS_KEY, WATCHMAN_KEY
from hookline.operations import named
from hookline.store import Store
from hookline_console.alarms.book import Entry
from hookline_console.alarms.letters import Letter
from hookline_console.alarms.look import Memory

LEASE_MS = 20_000
"""Another process takes over when the one has said nothing for so long."""

_ENTRY, _LETTER, _MEMORY = TypeAdapter(Entry), TypeAdapter(Letter), TypeAdapter(Memory)
_ENTRY_FIELD, _LETTER_FIELD, _MEMORY_FIELD, _WAITING_FIELD = "alarm:", "message:", "memory", "waiting_since"

T = TypeVar("T")


@dataclass(slots=True)
class Kept:
    """Everything that the next one who watches has to know."""

    memory: Memory | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    waiting_since_ms: int | None = None
    letters: dict[str, Letter] = field(default_factory=dict)


def take_turn(store: Store, owner: str) -> bool:
    """Whether it is this one's turn, for `LEASE_MS` from now. Raises what redis-py raises."""
    redis = store.redis
    return bool(redis.set(WATCHMAN_KEY, owner, nx=True, px=LEASE_MS)) or (
        redis.get(WATCHMAN_KEY) == owner.encode() and bool(redis.pexpire(WATCHMAN_KEY, LEASE_MS))
    )


def end_turn(store: Store, owner: str) -> None:
    """Let another one begin at once."""
    _if_ours(store, owner, lambda pipeline: pipeline.delete(WATCHMAN_KEY))


def load(store: Store) -> tuple[Kept, dict[str, str]]:
    """What was kept, as it is meant and as it stands there; what cannot be read is left out."""
    stored = {
        name: value.decode(errors="replace") for name, value in named(store.redis.hgetall(ALARMS_KEY)).items()
    }
    kept = Kept(_read(_MEMORY, stored.get(_MEMORY_FIELD, "")))
    for name, value in stored.items():
        if entry := _read(_ENTRY, value) if name.startswith(_ENTRY_FIELD) else None:
            kept.entries[entry.alarm.key] = entry
        if letter := _read(_LETTER, value) if name.startswith(_LETTER_FIELD) else None:
            kept.letters[letter.id] = letter
    waiting = stored.get(_WAITING_FIELD, "")
    kept.waiting_since_ms = int(waiting) if waiting.isdecimal() else None
    return kept, stored


def save(store: Store, owner: str, kept: Kept, stored: dict[str, str]) -> dict[str, str]:
    """Write what differs from what is `stored`, if it is this one's turn; gives what stands there now."""
    wanted = _written(kept)
    changed: dict[Any, Any] = {name: value for name, value in wanted.items() if stored.get(name) != value}
    gone = stored.keys() - wanted.keys()

    def write(pipeline: Pipeline) -> None:
        if changed:
            pipeline.hset(ALARMS_KEY, mapping=changed)
        if gone:
            pipeline.hdel(ALARMS_KEY, *gone)

    if (changed or gone) and not _if_ours(store, owner, write):
        return stored
    return wanted


def _if_ours(store: Store, owner: str, write: Callable[[Pipeline], Any]) -> bool:
    """Write in one step, unless another one has the turn by then."""
    with store.redis.pipeline() as pipeline, contextlib.suppress(WatchError):
        pipeline.watch(WATCHMAN_KEY)  # type: ignore[no-untyped-call]  # redis-py leaves it out
        if pipeline.get(WATCHMAN_KEY) != owner.encode():
            return False
        pipeline.multi()
        write(pipeline)
        pipeline.execute()
        return True
    return False


def _written(kept: Kept) -> dict[str, str]:
    found = {_ENTRY_FIELD + key: _ENTRY.dump_json(entry).decode() for key, entry in kept.entries.items()}
    found |= {_LETTER_FIELD + key: _LETTER.dump_json(letter).decode() for key, letter in kept.letters.items()}
    if kept.memory:
        found[_MEMORY_FIELD] = _MEMORY.dump_json(kept.memory).decode()
    if kept.waiting_since_ms is not None:
        found[_WAITING_FIELD] = str(kept.waiting_since_ms)
    return found


def _read(kind: TypeAdapter[T], value: str) -> T | None:
    """None for what another version wrote, or another program."""
    try:
        return kind.validate_json(value)
    except ValidationError:
        return None
