"""Brings what version 0.1 has stored into today's indexes, a little every second, and then does nothing.

That version had one index of all events, one of all dead letters, and one of when to purge what.
"""

from __future__ import annotations

import time
from typing import Any

import structlog

from hookline.failures import failure_group
from hookline.keys import EVENT_PREFIX, OPEN_KEY
from hookline.ledger import runs_of
from hookline.operations import named, text
from hookline.scripts import script
from hookline.store import Store

OLD_KEYS = ("hookline:events", "hookline:dead", "hookline:purge")
TURN_SECONDS = 0.05
AT_ONCE = 100

log = structlog.get_logger(__name__)


class Adoption:
    """A chore: `work` goes on for 50 ms or so."""

    def __init__(self, store: Store) -> None:
        self._redis = store.redis
        self._adopt = store.redis.register_script(script("adopt"))
        self._adopted = 0
        self._is_over = False

    def work(self) -> None:
        """Adopt some, unless there are none any more."""
        until = time.monotonic() + TURN_SECONDS
        while not self._is_over and time.monotonic() < until:
            ids = text(self._redis.zrange(OLD_KEYS[0], 0, AT_ONCE - 1))
            if ids:
                self._redis_adopts(ids)
            self._is_over = not ids
            if self._is_over and self._adopted:
                log.info("what an earlier version had stored is in the indexes", events=self._adopted)

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
    dead = [run for run in runs_of(fields).values() if run.state == "dead"]
    return dict(failure_group(run.action, run.error or "") for run in dead)
