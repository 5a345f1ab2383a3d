"""Runs the unfinished runs of a group of events, all at the same time, each recorded as it ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from hookline.about import about
from hookline.actions import Action
from hookline.errors import ParseError
from hookline.failures import failure_group, failure_groups_of
from hookline.lanes import action_lane, event_lane
from hookline.ledger import RUN_FIELD, Attempt, Ended, Run
from hookline.settings import Settings
from hookline.store import Change, Store
from hookline_worker.attempts import SUCCESS, Outcome, attempt, failure
from hookline_worker.clients import Clients
from hookline_worker.plugins import Plugins
from hookline_worker.policy import Policy
from hookline_worker.recorder import Record, Recorder
from hookline_worker.traces import Traces
from hookline_worker.underway import UnderWay, ask
from hookline_worker.work import Work, interrupted, read

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer

log = structlog.get_logger(__name__)

Pending = tuple[Action | None, Run]
"""A run to be done, and its action, if any plugin still has it."""


class Owner(NamedTuple):
    """Who has the leases of a group's events."""

    token: str
    execution: str
    """RQ's name of it."""
    now_ms: Callable[[], int]
    """Redis's time."""
    is_leaving: Callable[[], bool]
    """Whether it was told to stop: then it ends the runs that it has begun, and begins no other."""


class Group:
    """One call of `process`."""

    def __init__(
        self,
        store: Store,
        plugins: Plugins,
        settings: Settings,
        owner: Owner,
        paused_actions: frozenset[str] = frozenset(),
        tracer: Tracer | None = None,
    ) -> None:
        self._plugins, self._settings, self._paused = plugins, settings, paused_actions
        self._now_ms, self._is_leaving = owner.now_ms, owner.is_leaving
        self._policy = Policy(settings)
        self._traces = None if tracer is None else Traces(tracer)
        self._under_way = UnderWay(self._policy, self._traces)
        self._recorder = Recorder(
            store,
            token=owner.token,
            execution=owner.execution,
            now_ms=owner.now_ms,
            blocked_by=self._under_way.blocked_by,
        )

    def run(self, taken: dict[str, dict[str, bytes]]) -> None:
        """Run these leased events, given by their fields, and come back when it is all in the ledger."""
        loop = asyncio.new_event_loop()
        try:
            with self._recorder:
                loop.run_until_complete(self._main(taken))
        finally:
            loop.close()

    async def _main(self, taken: dict[str, dict[str, bytes]]) -> None:
        self._slots = asyncio.Semaphore(self._settings.worker.concurrency)
        async with Clients() as clients:
            self._clients = clients
            started: list[Coroutine[Any, Any, None]] = []
            for event_id, fields in taken.items():
                with about(event_id=event_id):
                    started += self._start(event_id, fields)
            for error in await asyncio.gather(*started, return_exceptions=True):
                if error is not None:  # a mistake of ours, after the siblings have finished
                    raise error

    def _start(self, event_id: str, fields: dict[str, bytes]) -> list[Coroutine[Any, Any, None]]:
        """The runs of one event, ready to be awaited; an event without any is settled here."""
        try:
            work = read(event_id, fields)
        except ParseError as error:
            log.warning("event cannot be parsed; it is a dead letter", event_id=event_id, error=str(error))
            self._settle_unread(event_id, str(error))
            if self._traces is not None:
                self._traces.unread(event_id, fields.get("trace", b"").decode(), str(error))
            return []
        if self._traces is not None:
            self._traces.waited(work)
        due = [*self._unfinished(work), *self._new(work)]
        runs = [(action, run) for action, run in due if not self._waits(work, run)]
        work.open = len(runs)
        if not work.runs:
            log.debug("no action wants this event", event_id=event_id, source=work.source)
        if not runs:
            self._put(work)
        elif work.deaths:
            return [self._one_by_one(work, runs)]
        return [self._run(work, action, run) for action, run in runs]

    def _unfinished(self, work: Work) -> Iterator[Pending]:
        """The runs in the ledger that are due."""
        for run in work.runs.values():
            if run.is_final:
                continue
            action = self._plugins.action(run.action)
            reason = interrupted(work, run)
            if reason is not None:
                self._conclude(work, action, run, Outcome(error=reason))
            if not run.is_final and (run.state in ("running", "paused") or self._is_due(run)):
                yield action, run

    def _waits(self, work: Work, run: Run) -> bool:
        """Whether this run is to wait until its action is resumed."""
        if run.action not in self._paused:
            return False
        if run.state != "paused":
            run.state, run.due_at_ms = "paused", None
            work.changed.add(run.action)
            work.is_newly_paused = True
        return True

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
            self._conclude(work, action, run, failure(error))
            return True

    async def _one_by_one(self, work: Work, runs: list[Pending]) -> None:
        """An event under suspicion: each run is in the ledger as under way before it starts."""
        for action, run in runs:
            await self._run(work, action, run)

    async def _run(self, work: Work, action: Action | None, run: Run) -> None:
        """Attempt the run, and again for as long as the event is held here for its siblings anyway."""
        while True:
            if run.state != "retrying" or self._is_due(run):
                async with self._slots:
                    if self._is_leaving():
                        break
                    await self._attempt(work, action, run)
            if run.is_final or work.underway == 0 or work.id in self._recorder.lost:
                break
            self._put(work)
            if not await self._due_before_siblings_end(work, run):
                break
        work.open -= 1
        self._put(work)

    async def _due_before_siblings_end(self, work: Work, run: Run) -> bool:
        seconds = ((run.due_at_ms or 0) - self._now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await work.quiet.wait()
                return False
        return True

    async def _attempt(self, work: Work, action: Action | None, run: Run) -> None:
        run.attempts.append(Attempt(self._now_ms()))
        run.state, run.due_at_ms = "running", None
        if action is None:
            self._end(work, action, run, Outcome(error=f"no plugin here has an action {run.action!r}"))
            return
        if work.deaths:
            work.changed.add(run.action)
            change = work.news()
            change.fields |= {"deaths": "1", "death": ""}
            self._recorder.write([Record(change)])
        await self._timed(work, action, run)

    async def _timed(self, work: Work, action: Action, run: Run) -> None:
        number, attempts = len(run.attempts), self._policy.attempts(action)
        context = None
        if action.takes_context:
            context = self._clients.context(
                work, action, attempt=number, attempts=attempts, settings=self._settings
            )
        work.begin()
        try:
            with self._under_way.attempt(work, action, number):
                if number == 1 or self._still_wanted(work, action, run):
                    seconds, tell = (
                        self._policy.timeout_seconds(action),
                        partial(self._end, work, action, run),
                    )
                    await attempt(action, work.event, context, seconds, tell)
        finally:
            work.end()

    def _still_wanted(self, work: Work, action: Action, run: Run) -> bool:
        """Whether the action's own condition holds at a later attempt, too; if not, the run has ended."""
        try:
            if action.when is None or ask(action.when, work.event):
                return True
            outcome = SUCCESS
        except BaseException as error:  # foreign code
            outcome = failure(error)
        self._end(work, action, run, outcome)
        return False

    def _end(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> None:
        """Record the end of an attempt as it comes, in whatever thread: the event loop may be held up."""
        run.attempts[-1].milliseconds = self._now_ms() - run.attempts[-1].started_at_ms
        ended = self._concluded(work, action, run, outcome)
        if work.deaths:  # it is alone here, and its record is waited for
            work.changed.add(run.action)
            work.ended.append(ended)
        else:
            fields = {RUN_FIELD + run.action: run.to_json()}
            self._recorder.put(Record(Change(work.id, fields, ended=[ended])))

    def _conclude(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> None:
        work.ended.append(self._concluded(work, action, run, outcome))
        work.changed.add(run.action)

    def _concluded(self, work: Work, action: Action | None, run: Run, outcome: Outcome) -> Ended:
        self._policy.conclude(work.id, action, run, outcome, self._now_ms())
        if self._traces is not None:
            self._traces.end(work, run, outcome)
        return Ended(run.action, run.state, run.attempts[-1].milliseconds or 0)

    def _put(self, work: Work) -> None:
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

    def _settle_unread(self, event_id: str, error: str) -> None:
        error = error.encode("utf-8", "backslashreplace").decode()
        failures = dict([failure_group("", error)])
        self._recorder.put(Record(Change(event_id, {"error": error}, "dead", failures=failures)))

    def _is_due(self, run: Run) -> bool:
        return (run.due_at_ms or 0) <= self._now_ms()


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
