"""Runs the unfinished runs of a group of events, all at the same time, each recorded as it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from hookline.about import about
from hookline.actions import Action
from hookline.errors import ParseError
from hookline.ledger import Attempt, Run
from hookline.settings import Settings
from hookline.store import Store
from hookline_worker.attempts import SUCCESS, Outcome, attempt, failure
from hookline_worker.clients import Clients
from hookline_worker.due import Due, Pending
from hookline_worker.entries import Entries
from hookline_worker.plugins import Plugins
from hookline_worker.policy import Policy
from hookline_worker.recorder import Recorder
from hookline_worker.traces import Traces
from hookline_worker.underway import UnderWay, ask
from hookline_worker.work import Work, read

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer

log = structlog.get_logger(__name__)


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
        self._settings, self._now_ms, self._is_leaving = settings, owner.now_ms, owner.is_leaving
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
        self._entries = Entries(self._recorder, self._policy, self._traces, self._now_ms)
        self._due = Due(plugins, paused_actions, self._entries, self._under_way, self._now_ms)

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
            self._entries.unread(event_id, fields.get("trace", b"").decode(), str(error))
            return []
        if self._traces is not None:
            self._traces.waited(work)
        runs = self._due.runs(work)
        work.open = len(runs)
        if not work.runs:
            log.debug("no action wants this event", event_id=event_id, source=work.source)
        if not runs:
            self._entries.put(work)
        elif work.deaths:
            return [self._one_by_one(work, runs)]
        return [self._run(work, action, run) for action, run in runs]

    async def _one_by_one(self, work: Work, runs: list[Pending]) -> None:
        """An event under suspicion: each run is in the ledger as under way before it starts."""
        for action, run in runs:
            await self._run(work, action, run)

    async def _run(self, work: Work, action: Action | None, run: Run) -> None:
        """Attempt the run, and again for as long as the event is held here for its siblings anyway."""
        while True:
            if run.state != "retrying" or run.is_due(self._now_ms()):
                async with self._slots:
                    if self._is_leaving():
                        break
                    await self._attempt(work, action, run)
            if run.is_final or work.underway == 0 or work.id in self._recorder.lost:
                break
            self._entries.put(work)
            if not await self._due_before_siblings_end(work, run):
                break
        work.open -= 1
        self._entries.put(work)

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
            error = f"no plugin here has an action {run.action!r}"
            self._entries.end(work, action, run, Outcome(error=error))
            return
        if work.deaths:
            self._entries.begin_alone(work, run)
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
                    seconds = self._policy.timeout_seconds(action)
                    tell = partial(self._entries.end, work, action, run)
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
        self._entries.end(work, action, run, outcome)
        return False
