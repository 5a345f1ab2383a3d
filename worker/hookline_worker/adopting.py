"""Brings what version 0.1 has stored into today's indexes, a little every second.

That version had one index of all events, one of all dead letters, and one of when to purge what. Its
receivers and workers may still run beside this one while they are upgraded, so that more may come.
"""

from __future__ import annotations

import time
from typing import Any

import structlog

from hookline.failures import failure_group, failure_groups_of
from hookline.keys import EVENT_PREFIX, OPEN_KEY
from hookline.ledger import runs_of
from hookline.operations import named, text
from hookline.scripts import script
from hookline.store import Store

OLD_KEYS = ("hookline:events", "hookline:dead", "hookline:purge")
LOOK_SECONDS = 60.0
"""After so long it looks again, when there was nothing."""
TURN_SECONDS = 0.05
AT_ONCE = 100

log = structlog.get_logger(__name__)


class Adoption:
    """A chore: `work` goes on for 50 ms or so."""

    def __init__(self, store: Store) -> None:
        self._redis = store.redis
        self._adopt = store.redis.register_script(script("adopt"))
        self._adopted = 0
        self._next_look_at = 0.0

    def work(self) -> None:
        """Adopt some, if there are any."""
        until = time.monotonic() + TURN_SECONDS
        while self._next_look_at <= time.monotonic() < until:
            ids = self._some()
            if ids:
                self._redis_adopts(ids)
                continue
            self._next_look_at = time.monotonic() + LOOK_SECONDS
            if self._adopted:
                log.info("what an earlier version had stored is in the indexes", events=self._adopted)
                self._adopted = 0

    def _some(self) -> list[str]:
        """What its worker finished is in the later indexes alone, if a receiver of today stored it."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in OLD_KEYS:
                pipeline.zrange(key, 0, AT_ONCE - 1)
            found = [event_id for ids in pipeline.execute() for event_id in text(ids)]
        return list(dict.fromkeys(found))

    def _redis_adopts(self, ids: list[str]) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            for event_id in ids:
                pipeline.hgetall(EVENT_PREFIX + event_id)
            rows = pipeline.execute()
        arguments: list[Any] = [EVENT_PREFIX]
        for event_id, row in zip(ids, rows, strict=True):
            failures = _failures(named(row))
            arguments += (event_id, len(failures))
            for group, label in failures.items():
                arguments += (group, label)
        self._adopt(keys=[*OLD_KEYS, OPEN_KEY], args=arguments)
        self._adopted += len(ids)


def _failures(fields: dict[str, bytes]) -> dict[str, str]:
    """The groups of failures that a dead letter is in, and what each is called."""
    if fields.get("state") != b"dead":
        return {}
    if "error" in fields:
        return dict([failure_group("", fields["error"].decode())])
    return failure_groups_of(runs_of(fields).values())
