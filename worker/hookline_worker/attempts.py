"""One attempt: call the action, in its time, and say what came of it. Nothing an action does escapes."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hookline.actions import Action
from hookline.context import Context
from hookline.errors import GiveUp, Retry
from hookline.events import AnyEvent

CANCEL_SECONDS = 1.0
"""How long a timed-out `async def` gets to clean up before it is left behind."""
ERROR_CHARACTERS = 1_000
TRACEBACK_CHARACTERS = 8_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. No error is success."""

    error: str | None = None
    traceback: str | None = None
    retry_after_seconds: float | None = None
    """The delay that the action asked for."""
    gave_up: bool = False


SUCCESS = Outcome()


class _Ending:
    """Whoever is first says what came of an attempt: the action as it ends, or the clock."""

    def __init__(self, tell: Callable[[Outcome], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._outcome: Outcome | None = None

    def first(self, outcome: Outcome) -> Outcome:
        """What was said first, which is told at once, in the thread of whoever says it."""
        with self._lock:
            if self._outcome is None:
                self._outcome = outcome
                self._tell(outcome)
            return self._outcome


async def attempt(
    action: Action,
    event: AnyEvent,
    context: Context | None,
    timeout_seconds: float,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """Run the action once; only one that takes a context needs any.

    `tell` is called once, as the action ends, be it in another thread: a sibling may hold up the event loop,
    which then gets round to it much later. A `def` that outlives its time can only be left behind.
    """
    ending = _Ending(tell)
    if not action.is_async:
        try:
            outcome = _in_thread(lambda: ending.first(_call(action, event, context)))
        except RuntimeError as error:  # there are too many threads
            return ending.first(failure(error))
    else:
        outcome = asyncio.get_running_loop().create_task(_acall(action, event, context, ending))
    if await _ends_within(timeout_seconds, outcome):
        # it can have got hold of its own task, and cancelled that
        return (
            ending.first(Outcome(error="CancelledError: by itself"))
            if outcome.cancelled()
            else outcome.result()
        )
    late = ending.first(Outcome(error=f"TimeoutError: not finished after {timeout_seconds:g} s"))
    outcome.cancel()
    await _ends_within(CANCEL_SECONDS, outcome)
    return late


async def _ends_within(seconds: float, outcome: asyncio.Future[Outcome]) -> bool:
    """Whether it ends in that time. `asyncio.wait` says the same at three times the cost, which shows."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def settle(is_done: bool) -> None:
        if not answer.done():
            answer.set_result(is_done)

    timer = loop.call_later(seconds, settle, False)
    outcome.add_done_callback(lambda _: settle(True))
    try:
        return await answer or outcome.done()  # both may come to pass in one turn of a loop that was blocked
    finally:
        timer.cancel()


def failure(error: BaseException) -> Outcome:
    """The outcome that an exception stands for."""
    if isinstance(error, GiveUp):
        return Outcome(error=_say(error), gave_up=True)
    if isinstance(error, Retry):
        return Outcome(error=_say(error), retry_after_seconds=error.after_seconds)
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next  # it begins with the author's own code
    trace = "".join(traceback.format_exception(type(error), error, frames))
    return Outcome(error=_say(error), traceback=_printable(trace[-TRACEBACK_CHARACTERS:]))


def _call(action: Action, event: AnyEvent, context: Context | None) -> Outcome:
    try:
        result = _invoke(action, event, context)
    except BaseException as error:  # foreign code: SystemExit and its like must not end the worker
        return failure(error)
    if inspect.iscoroutine(result):
        result.close()
        return Outcome(
            error=f"TypeError: {action.name} gave a coroutine that nobody awaits; make it `async def`"
        )
    return SUCCESS


async def _acall(action: Action, event: AnyEvent, context: Context | None, ending: _Ending) -> Outcome:
    return ending.first(await _awaited(action, event, context))


async def _awaited(action: Action, event: AnyEvent, context: Context | None) -> Outcome:
    try:
        await _invoke(action, event, context)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return failure(error)
    except BaseException as error:  # foreign code: SystemExit and its like must not end the worker
        return failure(error)
    return SUCCESS


def _invoke(action: Action, event: AnyEvent, context: Context | None) -> Any:
    return action.function(event, context) if action.takes_context else action.function(event)


def _in_thread(call: Callable[[], Outcome]) -> asyncio.Future[Outcome]:
    """Run `call` in a thread of its own: a pool could be used up by the threads that were left behind."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Outcome] = loop.create_future()
    context = contextvars.copy_context()

    def settle(outcome: Outcome) -> None:
        if not future.done():
            future.set_result(outcome)

    def body() -> None:
        outcome = context.run(call)
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # it was left behind, and the loop is closed
            return

    threading.Thread(target=body, name="action", daemon=True).start()
    return future


def _say(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if _text_of(error) else type(error).__name__
    return _printable(text[:ERROR_CHARACTERS])


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # foreign code: an exception's own __str__
        return ""


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
