"""What the ledger is told of a group's events: that a run begins, how it ends, what becomes of the event."""

from __future__ import annotations

import math
from collections.abc import Callable

from hookline.actions import Action
from hookline.failures import failure_group, failure_groups_of
from hookline.lanes import action_lane, event_lane
from hookline.ledger import RUN_FIELD, Ended, Run
from hookline.store import Change
from hookline_worker.attempts import Outcome
from hookline_worker.policy import Policy
from hookline_worker.recorder import Record, Recorder
from hookline_worker.traces import Traces
from hookline_worker.work import Work


class Entries:
    """The entries of one group."""

    def __init__(
        self, recorder: Recorder, policy: Policy, traces: Traces | None, now_ms: Callable[[], int]
    ) -> None:
        self._recorder, self._policy, self._traces, self._now_ms = recorder, policy, traces, now_ms

    def unread(self, event_id: str, trace: str, error: str) -> None:
        """An event that cannot be read is a dead letter without any run."""
        printable = error.encode("utf-8", "backslashreplace").decode()
        failures = dict([failure_group("", printable)])
        self._recorder.put(Record(Change(event_id, {"error": printable}, "dead", failures=failures)))
        if self._traces is not None:
            self._traces.unread(event_id, trace, error)

    def begin_alone(self, work: Work, run: Run) -> None:
        """Come back when it is known which run is under way, in case that it kills the process."""
        work.changed.add(run.action)
        change = work.news()
        change.fields |= {"deaths": "1", "death": ""}
        self._recorder.write([Record(change)])

    def end(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> None:
        """Record the end of an attempt as it comes, in whatever thread: the event loop may be held up."""
        run.attempts[-1].milliseconds = self._now_ms() - run.attempts[-1].started_at_ms
        if work.deaths:  # it is alone here, and its record is waited for
            self.conclude(work, action, run, outcome)
            return
        ended = self._concluded(work, action, run, outcome)
        fields = {RUN_FIELD + run.action: run.to_json()}
        self._recorder.put(Record(Change(work.id, fields, ended=[ended])))

    def conclude(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> None:
        """The attempt has ended so; it is recorded with what else is new of the event."""
        work.ended.append(self._concluded(work, action, run, outcome))
        work.changed.add(run.action)

    def _concluded(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> Ended:
        self._policy.conclude(work.id, action, run, outcome, self._now_ms())
        if self._traces is not None:
            self._traces.end(work, run, outcome)
        return Ended(run.action, run.state, run.attempts[-1].milliseconds or 0)

    def put(self, work: Work) -> None:
        """Record what is new of this event; with its last open run, settle it."""
        change = work.news()
        again: tuple[tuple[str, int], ...] = ()
        if work.open == 0:
            again = _settle(work, change)
        elif not (change.fields or change.type):
            return
        record = Record(change, again)
        if work.deaths:  # should the next run kill the process, this one must not be blamed
            self._recorder.write([record])
        else:
            self._recorder.put(record)


def _settle(work: Work, change: Change) -> tuple[tuple[str, int], ...]:
    """Say in the change how the event has ended for now; and where and when it is to be looked at again."""
    again: list[tuple[str, int]] = []
    change.state = work.state()
    if change.state in ("queued", "retrying"):
        lane = event_lane(work.source, is_replay=work.is_replay)
        again.append((lane, math.ceil(work.due_at_ms() / 1000)))
    if change.state == "paused" or work.is_newly_paused:
        again += [(action_lane(action), 0) for action in work.paused()]
    if change.state == "dead":
        change.failures = failure_groups_of(work.runs.values())
    return tuple(again)
