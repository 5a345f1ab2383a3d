"""What follows from an outcome: done, tried again and when, or a dead letter."""

from __future__ import annotations

import random

import structlog

from hookline.actions import Action
from hookline.ledger import Run
from hookline.settings import Settings
from hookline_worker.attempts import Outcome

log = structlog.get_logger(__name__)


class Policy:
    """The settings, as they bear on runs; an action's own declaration goes before them."""

    def __init__(self, settings: Settings) -> None:
        self._worker = settings.worker
        self._log = log.bind()  # ready-made: the proxy makes one for every line, heard or not

    def attempts(self, action: Action | None) -> int:
        """How often a run is tried; None is an action that no plugin has any more."""
        return (action.attempts if action else None) or self._worker.attempts

    def timeout_seconds(self, action: Action) -> float:
        """How long one attempt may take."""
        return action.timeout_seconds or self._worker.timeout_seconds

    def conclude(self, event_id: str, action: Action | None, run: Run, outcome: Outcome, now_ms: int) -> None:
        """Put the outcome of the run's last attempt into the run: done, dead, or due again."""
        last, number = run.attempts[-1], len(run.attempts)
        if outcome.error is None:
            run.state = "done"
            self._log.debug(
                "run is done",
                event_id=event_id,
                action=run.action,
                attempt=number,
                milliseconds=last.milliseconds,
            )
            return
        last.error, last.traceback = outcome.error, outcome.traceback
        about = {"event_id": event_id, "action": run.action, "attempt": number, "error": outcome.error}
        if outcome.gave_up or number >= self.attempts(action):
            run.state, run.due_at_ms = "dead", None
            log.error(
                "run failed for good", **about, **({"traceback": last.traceback} if last.traceback else {})
            )
            return
        delay = outcome.retry_after_seconds
        if delay is None:
            delay = self.backoff_seconds(number)
        run.state, run.due_at_ms = "retrying", now_ms + round(delay * 1000)
        log.warning("run failed and is tried again", **about, in_seconds=round(delay, 1))

    def backoff_seconds(self, number: int) -> float:
        """Exponential with full jitter: drawn from 0 to the cap, so that retries don't come in waves."""
        cap = min(self._worker.backoff_cap_seconds, self._worker.backoff_base_seconds * 2.0 ** (number - 1))
        return random.uniform(0, cap)  # noqa: S311 (spreading load, not keeping secrets)
