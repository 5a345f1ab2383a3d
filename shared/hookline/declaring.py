"""What an `@action` may say. Each check gives the value, or raises ValueError with the way out."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from inspect import Parameter
from typing import Any

When = Callable[[Any], bool]

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST_NAME = 100
_METHOD = re.compile(r"\w\.\w+$")
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_COLLECTING = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def full_name(plugin: str, name: object) -> str:
    """`<plugin>.<name>`, which names the run in Redis, in the log and on the command line."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name an action; give name= of A-Z a-z 0-9 '_' '.' '-'")
    full = f"{plugin}.{name}"
    if len(full) > _LONGEST_NAME:
        raise ValueError(f"the name {full!r} is longer than {_LONGEST_NAME} characters; give a shorter name=")
    return full


def takes_context(function: object) -> bool:
    """Whether the function has a second positional parameter, after the event."""
    if inspect.isclass(function):
        raise ValueError("is a class; an action is a function: def act(event)")
    if not inspect.isfunction(function):
        raise ValueError("is not a function; write def act(event), or async def act(event)")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError("has a yield, so calling it runs nothing; an action returns when it is done")
    if _METHOD.search(function.__qualname__):
        raise ValueError("is a method; an action is a function of its module, outside any class")
    return _takes_two(list(inspect.signature(function).parameters.values()))


def _takes_two(parameters: list[Parameter]) -> bool:
    positional = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    if not positional:
        raise ValueError(
            "takes no event; write (event) or (event, ctx), and functools.wraps in a decorator of your own"
        )
    needed = [p for p in parameters if p.kind not in _COLLECTING and p.default is Parameter.empty]
    for parameter in needed:
        if parameter in positional[:2]:
            continue
        if parameter.name == "ctx":
            raise ValueError("ctx is given by position; write (event, ctx)")
        raise ValueError(
            f"is called with (event) or (event, ctx); give {parameter.name!r} a default or remove it"
        )
    return len(positional) > 1


def checked_condition(when: When | None) -> When | None:
    """A function that can be asked at once."""
    if when is not None and not callable(when):
        raise ValueError(f"when={when!r} is no function; write when=lambda event: …")
    if inspect.iscoroutinefunction(when):
        raise ValueError("when is an async def, whose answer always counts as true; make it a plain function")
    return when


def checked_sources(source: str | Iterable[str] | None) -> frozenset[str]:
    """The names of one source or of several; none for None."""
    if source is None:
        return frozenset()
    names = [source] if isinstance(source, str) else list(source)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"source={source!r} names no source; give the name in [sources.<name>], or several")
    return frozenset(names)


def checked_attempts(attempts: int | None) -> int | None:
    """A count, or None."""
    if attempts is None:
        return None
    if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
        raise ValueError(f"attempts={attempts!r}: give a whole number of 1 or more; 1 means no second try")
    return attempts


def checked_timeout(timeout: float | None) -> float | None:
    """Seconds, or None."""
    if timeout is None:
        return None
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if not is_number or not 0 < timeout < math.inf:
        raise ValueError(f"timeout={timeout!r}: give seconds of more than 0")
    return float(timeout)
