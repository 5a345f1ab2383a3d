"""What is under way: until when each attempt may take, and whose its log lines and its spans are."""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterator
from typing import Any

from hookline.about import about
from hookline.actions import Action
from hookline.events import AnyEvent
from hookline_worker.policy import Policy
from hookline_worker.traces import Traces
from hookline_worker.work import Work

BLOCKED_SECONDS = 5.0
"""How long past its time a run may still be unfinished before its event loop counts as blocked."""


class UnderWay:
    """The attempts of one group."""

    def __init__(self, policy: Policy, traces: Traces | None) -> None:
        self._policy, self._traces = policy, traces
        self._deadlines: dict[tuple[str, str], float] = {}

    @contextlib.contextmanager
    def watched(self, work: Work, action: Action, number: int) -> Iterator[None]:
        """While the author's code runs, its lines say whose they are, and it is watched whether it ends."""
        key = (work.id, action.name)
        self._deadlines[key] = time.monotonic() + self._policy.timeout_seconds(action) + BLOCKED_SECONDS
        try:
            with about(event_id=work.id, action=action.name, attempt=number, source=work.source):
                yield
        finally:
            del self._deadlines[key]

    def attempt(self, work: Work, action: Action, number: int) -> contextlib.AbstractContextManager[None]:
        """The same for an attempt, which is traced besides."""
        if self._traces is None:
            return self.watched(work, action, number)
        return self._traced(self._traces, work, action, number)

    @contextlib.contextmanager
    def _traced(self, traces: Traces, work: Work, action: Action, number: int) -> Iterator[None]:
        with self.watched(work, action, number), traces.attempt(work, action.name, number):
            yield

    def blocked_by(self) -> tuple[str, str] | None:
        """The event and the action that should have been timed out long ago, had the loop not stood still."""
        now = time.monotonic()
        return next((key for key, at in list(self._deadlines.items()) if at < now), None)


def ask(when: Callable[[Any], Any], event: AnyEvent) -> bool:
    """Whether an action's condition holds; what it puts into the context stays with it."""
    return bool(contextvars.copy_context().run(when, event))
