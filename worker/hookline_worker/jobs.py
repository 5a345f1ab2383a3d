"""The only RQ job: `process(event_ids)`. A crash, a retry, a hand-over and a replay all enqueue it again."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from hookline.errors import HooklineError
from hookline_worker.dispatch import Dispatcher


@dataclass(frozen=True, slots=True)
class Call:
    """What a job needs from the worker that runs it, and that RQ has no argument for."""

    dispatcher: Dispatcher
    token: str
    """The owner of the leases: RQ's id of this execution."""
    execution: str
    """RQ's name of this execution among its started jobs."""


current_call: ContextVar[Call] = ContextVar("current_call")


def process(event_ids: list[str]) -> None:
    """Run every run of these events that is not finished."""
    try:
        call = current_call.get()
    except LookupError:
        raise HooklineError(
            "this queue's jobs are run by `hookline worker`, not by a plain `rq worker`"
        ) from None
    call.dispatcher.process(event_ids, token=call.token, execution=call.execution)
