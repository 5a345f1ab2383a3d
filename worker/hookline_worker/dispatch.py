"""Takes a group of events, and sees to it that each is run here, run alone, or looked at later."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from hookline.lanes import event_lane, paused_actions, source_lane
from hookline.queue import Job, job
from hookline.settings import Settings
from hookline.store import Change, Paused, Store
from hookline_worker.group import Group, Owner
from hookline_worker.plugins import Plugins
from hookline_worker.recorder import LEASE_SECONDS

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer

Fields = dict[str, bytes]


class Dispatcher:
    """What `process` does; one for each worker process, made before the fork."""

    def __init__(
        self, store: Store, plugins: Plugins, settings: Settings, tracer: Tracer | None = None
    ) -> None:
        self._store, self._plugins, self._settings, self._tracer = store, plugins, settings, tracer
        self._is_leaving = False

    def leave(self) -> None:
        """Begin no further run from now on; those under way go on."""
        self._is_leaving = True

    def is_leaving(self) -> bool:
        """Whether no further run is to begin."""
        return self._is_leaving

    def traced(self) -> AbstractContextManager[object]:
        """Around all that a process runs, after it was forked."""
        return self._tracer or nullcontext()

    def process(self, event_ids: Sequence[str], *, token: str, execution: str) -> None:
        """Run what is not finished of these events, as the owner `token` of their leases."""
        lease_ms = int(LEASE_SECONDS * 1000)
        now_ms, paused_lanes, answers = self._store.take(token, lease_ms, event_ids, execution=execution)
        taken_at = time.monotonic()
        found = dict(zip(event_ids, answers, strict=True))
        held = {event_id: answer for event_id, answer in found.items() if isinstance(answer, int)}
        paused = {event_id: answer.source for event_id, answer in found.items() if isinstance(answer, Paused)}
        taken = {event_id: answer for event_id, answer in found.items() if isinstance(answer, dict)}
        suspects = {event_id: fields for event_id, fields in taken.items() if "deaths" in fields}
        if len(taken) > 1:
            taken = {event_id: fields for event_id, fields in taken.items() if event_id not in suspects}
        else:
            suspects = {}
        if held or suspects or paused:
            jobs = [*_look_again(held, now_ms), *_back_to_their_lanes(paused)]
            self._send_on(token, suspects, jobs)
        if taken:
            clock = _Clock(now_ms, taken_at)
            owner = Owner(token, execution, clock.now_ms, self.is_leaving)
            paused_names = paused_actions(paused_lanes)
            Group(self._store, self._plugins, self._settings, owner, paused_names, self._tracer).run(taken)

    def _send_on(self, token: str, suspects: dict[str, Fields], jobs: list[Job]) -> None:
        """Run alone what may have killed a process, and enqueue these other jobs."""
        for event_id, fields in suspects.items():
            lane = event_lane(fields["source"].decode(), is_replay="replays" in fields)
            jobs.append(job([event_id], lane=lane))
        self._store.record(token, [Change(event_id, state="queued") for event_id in suspects], jobs)


def _look_again(held: dict[str, int], now_ms: int) -> list[Job]:
    """What another owner has is looked at when its leases may be over, should it die."""
    return [job(list(held), due_seconds=math.ceil((now_ms + max(held.values())) / 1000))] if held else []


def _back_to_their_lanes(paused: dict[str, str]) -> Iterator[Job]:
    """Events of paused sources, which came with others, wait where they are left alone."""
    by_source = defaultdict(list)
    for event_id, source in paused.items():
        by_source[source].append(event_id)
    for source, event_ids in by_source.items():
        yield job(event_ids, lane=source_lane(source))


class _Clock:
    """Redis's time, carried on by this machine's monotonic clock: no other clock can mislead us."""

    def __init__(self, now_ms: int, at: float) -> None:
        self._now_ms, self._at = now_ms, at

    def now_ms(self) -> int:
        """The time in milliseconds since 1970."""
        return self._now_ms + round((time.monotonic() - self._at) * 1000)
