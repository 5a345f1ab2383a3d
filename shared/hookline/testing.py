"""For plugin authors' own tests: run an action once, without Redis or a worker, and see what came of it.

outcome = run_action(hello.greet, sample("misskey", "mention"))
assert outcome.state == "done"
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import structlog
from structlog.testing import LogCapture

from hookline.actions import Action, declarations
from hookline.context import Context
from hookline.errors import GiveUp, HooklineError, Retry
from hookline.events import AnyEvent
from hookline.providers import provider
from hookline.recorded import recorded_event
from hookline.senders import make_delivery

if TYPE_CHECKING:  # as in hookline.context
    from aiohttp import ClientSession

ATTEMPTS = 8
"""How many attempts there are, where neither the action nor the test says."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Given(TypedDict, total=False):
    """What a test may say of the attempt."""

    attempt: int
    attempts: int
    """Goes before what the action says."""
    settings: Mapping[str, Any]
    source: str
    """Without it, every source will do."""
    is_replay: bool
    http: ClientSession
    """In place of a client of the attempt's own, which is opened when the action asks for it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt."""

    state: Literal["done", "retrying", "dead", "skipped"]
    """As of a run. `skipped`: the action isn't declared for this event, or its `when` says no."""
    value: object = None
    """What the function returned; the worker pays no heed to it."""
    error: BaseException | None = None
    """What it raised."""
    retry_after_seconds: float | None = None
    """The delay that it asked for with Retry; None for the worker's own backoff."""
    logs: list[Mapping[str, Any]] = field(default_factory=list, repr=False)
    """What it logged: `event` is the message, `log_level` the level, the rest as given."""


def run_action(function: Callable[..., Any], event: AnyEvent, **given: Unpack[Given]) -> Outcome:
    """One attempt of an action, `def` or `async def`, as the worker would make it, but without a timeout.

    A test that is itself an `async def` awaits `run_action_async` instead.
    """
    return asyncio.run(run_action_async(function, event, **given))


async def run_action_async(function: Callable[..., Any], event: AnyEvent, **given: Unpack[Given]) -> Outcome:
    """`run_action` for a test that is itself an `async def`."""
    if not declarations(function):
        raise HooklineError(f"{function!r} is not an action; put @action(…) above it")
    action = _declared_for(function, event, given.get("source"))
    if action is None:
        return Outcome("skipped")
    capture = LogCapture()
    async with AsyncExitStack() as stack:
        context = _context(action, given, capture, stack)
        try:
            if action.when is not None and not action.when(event):
                return Outcome("skipped")
            value = await _call(action, event, context)
        except (Exception, SystemExit) as error:  # foreign code: the author's
            return _failure(error, context, capture)
    return Outcome("done", value, logs=[*capture.entries])


def sample(provider_name: str, event_type: str, *, seed: int = 0) -> AnyEvent:
    """An event as this provider's sender would send it: `sample("esa", "post_create")`.

    The same seed gives the same event. Raises SettingsError for an unknown provider or type.
    """
    now_ms = int(NOW.timestamp() * 1000)
    rng = random.Random(seed)  # noqa: S311 (it invents text)
    delivery = make_delivery(provider_name, event_type, secret=b"", rng=rng, now_ms=now_ms)
    return provider(provider_name).parse(delivery)


def recorded(file: str | Path) -> AnyEvent:
    """The event of a delivery that was saved from its page in the console, read as the worker reads it.

    Raises ParseError for one that cannot be read, and HooklineError where the file is something else.
    """
    return recorded_event(Path(file))


def _declared_for(function: Callable[..., Any], event: AnyEvent, source: str | None) -> Action | None:
    for action in declarations(function):
        if action.matches_type(event.type, type(event)) if source is None else action.matches(event, source):
            return action
    return None


def _context(action: Action, given: Given, capture: LogCapture, stack: AsyncExitStack) -> Context:
    @cache
    def open_http() -> ClientSession:
        import aiohttp  # the worker's extra, which a test without HTTP does without

        session = aiohttp.ClientSession()
        stack.push_async_callback(session.close)
        return session

    levels = structlog.make_filtering_bound_logger(logging.NOTSET)
    http = given.get("http")
    return Context(
        event_id="test-event",
        source=given.get("source", "test"),
        action=action.name,
        attempt=given.get("attempt", 1),
        attempts=given.get("attempts") or action.attempts or ATTEMPTS,
        is_replay=given.get("is_replay", False),
        received_at=NOW,
        log=structlog.wrap_logger(structlog.PrintLogger(), processors=[capture], wrapper_class=levels),
        settings=given.get("settings", {}),
        open_http=((lambda: http) if http else open_http) if action.is_async else None,
    )


async def _call(action: Action, event: AnyEvent, context: Context) -> object:
    arguments = (event, context) if action.takes_context else (event,)
    if action.is_async:
        return await action.function(*arguments)
    return await asyncio.to_thread(action.function, *arguments)


def _failure(error: BaseException, context: Context, capture: LogCapture) -> Outcome:
    is_last = isinstance(error, GiveUp) or context.attempt >= context.attempts
    return Outcome(
        "dead" if is_last else "retrying",
        error=error,
        retry_after_seconds=error.after_seconds if isinstance(error, Retry) and not is_last else None,
        logs=[*capture.entries],
    )
