"""Events in a real Redis as a receiver and a worker leave them, stored by their own scripts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis as AsyncRedis

from hookline.connections import connect_async
from hookline.failures import failure_group
from hookline.intake import CommitScript, RawEvent, new_event_id
from hookline.ledger import RUN_FIELD, Run
from hookline.operations import now_ms
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

MENTION = b'{"type":"mention","body":{"note":{"id":"n1","text":"hi","user":{"id":"u1","username":"hanako"}}}}'


class Stored:
    """What a test stores, and how it goes on with it."""

    def __init__(self, client: AsyncRedis, store: Store) -> None:
        self._commit, self.store = CommitScript(client, "hookline"), store

    async def receive(
        self,
        body: bytes = MENTION,
        *,
        key: str = "",
        source: str = "misskey",
        provider: str = "misskey",
        headers: Sequence[tuple[str, str]] = (("x-misskey-hook-secret", "***"),),
        ago_ms: int = 0,
    ) -> str:
        """A delivery comes in; one with the key of another is a repeat of it. Gives its event's id."""
        at_ms = now_ms() - ago_ms
        event_id = new_event_id(at_ms)
        stored_headers = json.dumps(list(headers)).encode()
        event = RawEvent(event_id, source, provider, at_ms, key or event_id, 60_000, stored_headers, body)
        _, ids = await self._commit([event])
        return ids[0]

    def take(self, event_id: str) -> None:
        """A worker leases it: its state is `running`."""
        self.store.take("token", 10_000, [event_id], execution="job:execution")

    def read(self, event_id: str, kind: str = "misskey.mention", *runs: Run, state: str = "") -> None:
        """A worker has read it, and these are its runs now; a state ends what the worker does with it."""
        self.take(event_id)
        failures = dict(failure_group(run.action, run.error or "") for run in runs if run.state == "dead")
        fields = {RUN_FIELD + run.action: run.to_json() for run in runs}
        if failures and state == "dead":
            fields["failures"] = " ".join(failures)
        self._record(Change(event_id, fields, state, kind, failures=failures if state == "dead" else {}))

    def refuse(self, event_id: str, error: str) -> None:
        """A worker cannot read it: a dead letter."""
        self.take(event_id)
        group, label = failure_group("", error)
        fields = {"error": error, "failures": group}
        self._record(Change(event_id, fields, "dead", failures={group: label}))

    def _record(self, change: Change) -> None:
        assert self.store.record("token", [change]) == []


@pytest.fixture
async def stored(console: object, redis_url: str) -> AsyncIterator[Stored]:
    """A way to store events for the console that runs."""
    store = console.store  # type: ignore[attr-defined]
    async with connect_async(RedisSettings(url=redis_url)) as client:
        yield Stored(client, store)
