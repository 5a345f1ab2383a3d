"""Whatever an action does in its one attempt comes out as an outcome."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from hookline.actions import Action
from hookline.context import Context
from hookline.errors import GiveUp, Retry
from hookline.events import UnknownEvent
from hookline_worker.attempts import SUCCESS, Outcome, attempt

EVENT = UnknownEvent(type="misskey.x", data={})


class UnspeakableError(Exception):
    """An exception that fails when it is printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def raising(error: BaseException) -> Any:
    """A plain action that raises this."""

    def act(event: object) -> None:
        raise error

    return act


def context() -> Context:
    """What an action gets when it asks."""
    return Context(
        event_id="e",
        source="s",
        action="p.a",
        attempt=1,
        attempts=3,
        received_at=datetime.now(UTC),
        log=structlog.get_logger(),
    )


async def outcome_of(function: Any, *, timeout_seconds: float = 5.0, takes_context: bool = False) -> Outcome:
    """The outcome of one attempt of this function."""
    action = Action(
        name="p.a",
        plugin="p",
        function=function,
        is_async=asyncio.iscoroutinefunction(function),
        takes_context=takes_context,
    )
    return await attempt(action, EVENT, context(), timeout_seconds)


async def test_an_action_that_returns_has_succeeded() -> None:
    """A plain one in a thread of its own, an asynchronous one on the loop; what they return is ignored."""
    threads = []

    def plain(event: object) -> int:
        threads.append(threading.current_thread())
        return 1

    async def asynchronous(event: object, ctx: Context) -> str:
        threads.append(threading.current_thread())
        return ctx.idempotency_key

    assert await outcome_of(plain) == SUCCESS
    assert await outcome_of(asynchronous, takes_context=True) == SUCCESS
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a", 1), "ValueError: ('a', 1)"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(), "StopIteration"),
        (GeneratorExit(), "GeneratorExit"),
        (UnspeakableError(), "UnspeakableError"),
        (ValueError("\ud800 half"), "ValueError: \\ud800 half"),
        (ValueError("x" * 5_000), "ValueError: " + "x" * 988),
    ],
)
async def test_whatever_is_raised_is_the_error(error: BaseException, said: str) -> None:
    """With its traceback, in text that can be stored."""

    async def asynchronous(event: object) -> None:
        raise error

    for function in (raising(error), asynchronous):
        if function is asynchronous and isinstance(error, StopIteration):
            continue  # Python itself turns it into a RuntimeError
        outcome = await outcome_of(function)
        assert outcome.error == said
        assert "Traceback" in (outcome.traceback or "")
        (outcome.traceback or "").encode()


async def test_retry_and_give_up_are_heard() -> None:
    """Without a traceback: the author meant them."""
    assert await outcome_of(raising(Retry("busy", after=7))) == Outcome("Retry: busy", None, 7.0)
    assert await outcome_of(raising(GiveUp("gone"))) == Outcome("GiveUp: gone", gave_up=True)


async def test_an_action_that_does_not_stop_when_cancelled_is_left_behind() -> None:
    """It swallows the cancellation, and the attempt still ends."""
    swallowed = asyncio.Event()

    async def stubborn(event: object) -> None:
        while not swallowed.is_set():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                swallowed.set()
        await release.wait()

    release = asyncio.Event()
    outcome = await outcome_of(stubborn, timeout_seconds=0.05)
    assert swallowed.is_set()
    release.set()
    assert outcome.error == "TimeoutError: not finished after 0.05 s"


async def test_a_cancellation_of_its_own_making_is_an_error() -> None:
    """An action may raise CancelledError without anybody having cancelled it."""

    async def cancels(event: object) -> None:
        raise asyncio.CancelledError("by myself")

    assert (await outcome_of(cancels)).error == "CancelledError: by myself"


async def test_a_plain_function_that_gives_a_coroutine_is_told() -> None:
    """Nobody would ever await it, and it would look like a success."""

    async def inner() -> None:
        """Never run."""

    assert "make it `async def`" in str((await outcome_of(lambda event: inner())).error)


async def test_a_run_that_ends_while_the_loop_is_blocked_past_its_time_has_ended() -> None:
    """Its end and its time-out are seen in one turn of the loop; what has happened must not happen again."""

    async def act(event: object) -> None:
        await asyncio.sleep(0.05)

    running = asyncio.create_task(outcome_of(act, timeout_seconds=0.1))
    await asyncio.sleep(0.01)
    threading.Event().wait(0.2)
    assert await running == SUCCESS
