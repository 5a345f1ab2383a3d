"""`@action`: a function declared to run on events. No registry: the declaration sits on the function."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any, TypeVar

from hookline.context import Context
from hookline.declaring import (
    When,
    checked_attempts,
    checked_condition,
    checked_sources,
    checked_timeout,
    full_name,
    takes_context,
)
from hookline.errors import PluginError
from hookline.events import AnyEvent
from hookline.matching import EventClass, compile_patterns, sort_matches

ATTRIBUTE = "__hookline_actions__"
F = TypeVar("F", bound=Callable[[Any], object] | Callable[[Any, Context], object])


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A function with what it is declared for."""

    name: str
    """`<plugin>.<function>`, or `<plugin>.<name>` where a name is given."""
    plugin: str
    function: Callable[..., Any]
    types: tuple[EventClass, ...] = ()
    patterns: tuple[str, ...] = ()
    when: When | None = None
    """The author's own condition, asked by whoever runs the action: its errors are the action's."""
    sources: frozenset[str] = frozenset()
    """The sources it is narrowed to; empty for any."""
    attempts: int | None = None
    """None for the worker's setting, as for `timeout_seconds`."""
    timeout_seconds: float | None = None
    is_async: bool = False
    takes_context: bool = False
    file: str = ""
    line: int = 0
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", compile_patterns(self.patterns))

    def matches(self, event: AnyEvent, source: str) -> bool:
        """Whether the event is one that this action is declared for, leaving `when` aside."""
        return (not self.sources or source in self.sources) and self.matches_type(event.type, type(event))

    def matches_type(self, event_type: str, event_class: type[AnyEvent]) -> bool:
        """Whether events of this full name and class are among those it is declared for."""
        if issubclass(event_class, self.types):
            return True
        return self._pattern is not None and self._pattern.match(event_type) is not None

    def within(self, plugin: str) -> Action:
        """The same action as one of the plugin of this name. ValueError when its name gets too long by it."""
        return replace(self, plugin=plugin, name=full_name(plugin, self.name.removeprefix(f"{self.plugin}.")))


def action(
    *matches: EventClass | str,
    when: When | None = None,
    source: str | Iterable[str] | None = None,
    attempts: int | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> Callable[[F], F]:
    """Declare that a function runs on every event that one of `matches` names.

    A match is an event class or a pattern over full names (`"esa.post_*"`, `"misskey.*"`, `"*"`). `when`
    narrows them by the event itself, `source` by where it came in. `attempts` and `timeout` (seconds, for
    each attempt) go before the worker's settings. `name` replaces the function's in the action's name.
    The function itself comes back unchanged.

    Raises PluginError, with file and line, for a declaration that could never work.
    """
    if len(matches) == 1 and inspect.isfunction(matches[0]):  # `@action` with no parentheses
        _declaration_of(matches[0], sys._getframe(1), matches=matches)

    def declare(function: F) -> F:
        declared = _declaration_of(
            function,
            sys._getframe(1),
            matches=matches,
            when=when,
            source=source,
            attempts=attempts,
            timeout=timeout,
            name=name,
        )
        setattr(function, ATTRIBUTE, (declared, *declarations(function)))
        return function

    return declare


def declarations(function: object) -> tuple[Action, ...]:
    """What `@action` has declared of this function; nothing for any other object."""
    found = getattr(function, ATTRIBUTE, ()) if inspect.isroutine(function) else ()
    return found if isinstance(found, tuple) else ()


def _declaration_of(
    function: Any,
    caller: FrameType,
    *,
    matches: tuple[object, ...],
    when: When | None = None,
    source: str | Iterable[str] | None = None,
    attempts: int | None = None,
    timeout: float | None = None,
    name: str | None = None,
) -> Action:
    plugin, file, line = _place(function, caller)
    try:
        types, patterns = sort_matches(matches)
        return Action(
            name=full_name(plugin, name if name is not None else getattr(function, "__name__", "")),
            plugin=plugin,
            takes_context=takes_context(function),
            is_async=inspect.iscoroutinefunction(function),
            function=function,
            types=types,
            patterns=patterns,
            when=checked_condition(when),
            sources=checked_sources(source),
            attempts=checked_attempts(attempts),
            timeout_seconds=checked_timeout(timeout),
            file=file,
            line=line,
        )
    except ValueError as error:
        label = getattr(function, "__qualname__", repr(function))
        raise PluginError(plugin, f"@action of {label}: {error}", file=file, line=line) from None


def _place(function: Any, caller: FrameType) -> tuple[str, str, int]:
    """The module, file and line of a function; of the decorator's own line where it is none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return caller.f_globals.get("__name__", "?"), caller.f_code.co_filename, caller.f_lineno
    return function.__module__, code.co_filename, code.co_firstlineno
