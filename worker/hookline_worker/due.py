"""Which runs of an event are to be made now: what is left of those in the ledger, and those that are new."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hookline.actions import Action
from hookline.ledger import Attempt, Run
from hookline_worker.attempts import Outcome, failure
from hookline_worker.entries import Entries
from hookline_worker.plugins import Plugins
from hookline_worker.underway import UnderWay, ask
from hookline_worker.work import Work, interrupted

Pending = tuple[Action | None, Run]
"""A run to be done, and its action, if any plugin still has it."""


class Due:
    """For the events of one group."""

    def __init__(
        self,
        plugins: Plugins,
        paused_actions: frozenset[str],
        entries: Entries,
        under_way: UnderWay,
        now_ms: Callable[[], int],
    ) -> None:
        self._plugins, self._paused = plugins, paused_actions
        self._entries, self._under_way, self._now_ms = entries, under_way, now_ms

    def runs(self, work: Work) -> list[Pending]:
        """The runs to be made. Those whose action is paused are not: the work says that they wait."""
        due = [*self._unfinished(work), *self._new(work)]
        return [(action, run) for action, run in due if not self._waits(work, run)]

    def _unfinished(self, work: Work) -> Iterator[Pending]:
        """The runs in the ledger that are due."""
        for run in work.runs.values():
            if run.is_final:
                continue
            action = self._plugins.action(run.action)
            reason = interrupted(work, run)
            if reason is not None:
                self._entries.conclude(work, action, run, Outcome(error=reason))
            if not run.is_final and (run.state in ("running", "paused") or run.is_due(self._now_ms())):
                yield action, run

    def _new(self, work: Work) -> Iterator[Pending]:
        """The runs that the event now gets for the first time."""
        for action in self._plugins.matching(work.event, work.source):
            if action.name in work.runs or (work.only is not None and action.name != work.only):
                continue
            run = Run(action.name)
            if self._wanted(work, action, run):
                work.runs[action.name] = run
                if not run.is_final:
                    yield action, run

    def _wanted(self, work: Work, action: Action, run: Run) -> bool:
        """Whether the action's own condition holds; one that raises is a failed attempt, which is wanted."""
        if action.when is None:
            return True
        try:
            with self._under_way.watched(work, action, 1):
                return ask(action.when, work.event)
        except BaseException as error:  # foreign code, and the first part of the action
            run.attempts.append(Attempt(self._now_ms(), 0))
            self._entries.conclude(work, action, run, failure(error))
            return True

    def _waits(self, work: Work, run: Run) -> bool:
        """Whether this run is to wait until its action is resumed."""
        if run.action not in self._paused:
            return False
        if run.state != "paused":
            run.state, run.due_at_ms = "paused", None
            work.changed.add(run.action)
            work.is_newly_paused = True
        return True
