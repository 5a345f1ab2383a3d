"""What an action may be declared for: event classes, and patterns over an event's full name."""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Iterator, Sequence
from types import ModuleType

from hookline.events import Event, UnknownEvent, snake_case

EventClass = type[Event] | type[UnknownEvent]


def sort_matches(matches: Sequence[object]) -> tuple[tuple[EventClass, ...], tuple[str, ...]]:
    """The event classes and the patterns among `matches`, in their order.

    Raises ValueError with what to write instead when there are none, or one of them can match nothing.
    """
    if not matches:
        raise ValueError('names no events; write @action(misskey.Mention) or @action("esa.post_*")')
    types: list[EventClass] = []
    patterns: list[str] = []
    for match in matches:
        if isinstance(match, str):
            patterns.append(_checked(match))
        elif isinstance(match, type) and issubclass(match, Event | UnknownEvent):
            types.append(match)
        else:
            raise ValueError(_way_out(match))
    return tuple(types), tuple(patterns)


def compile_patterns(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """One expression that matches a full name when any of the patterns does; None for no patterns."""
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def _checked(pattern: str) -> str:
    if not pattern or pattern != pattern.strip():
        raise ValueError(f"the pattern {pattern!r} matches nothing: it is empty or has spaces around it")
    if pattern != pattern.lower():
        raise ValueError(
            f"the pattern {pattern!r} matches nothing, as types are in snake_case; write {_meant(pattern)!r}"
        )
    if not any(mark in pattern for mark in ".*?["):
        raise ValueError(
            f"the pattern {pattern!r} matches nothing, as a type is provider.kind; write {_meant(pattern)!r}"
        )
    return pattern


def _meant(pattern: str) -> str:
    """The nearest pattern that can match something."""
    name = snake_case(pattern)
    if "." in name or "*" in name:
        return name
    full_names = (f"{event.provider}.{event.kind}" for event in _known_events())
    return next((full for full in full_names if full.endswith(f".{name}")), f"misskey.{name}")


def _way_out(match: object) -> str:
    """Why this is not a match, and what was probably meant."""
    if isinstance(match, list | tuple | set | frozenset):
        return "takes its event classes and patterns one after another, not in a list: @action(First, Second)"
    if isinstance(match, ModuleType):
        short = match.__name__.rpartition(".")[2]
        return f"takes an event class or a pattern, not a module; for all its events write {short + '.*'!r}"
    if isinstance(match, Event | UnknownEvent):
        return f"takes the event's class, not an event: write {type(match).__name__}"
    if inspect.isfunction(match):
        return "does not say for which events; write @action(misskey.Mention), or another class or pattern"
    return f"takes event classes and patterns, not {match!r}; write misskey.Mention, or 'esa.post_*'"


def _known_events() -> Iterator[type[Event]]:
    waiting = Event.__subclasses__()
    while waiting:
        event = waiting.pop()
        waiting.extend(event.__subclasses__())
        if hasattr(event, "kind"):
            yield event
