"""The user's plugins: found, imported, and their actions collected, with the first or with every problem."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import structlog

from hookline.actions import Action, declarations
from hookline.errors import PluginError
from hookline.events import AnyEvent
from hookline_worker.importing import import_plugin, importable
from hookline_worker.places import Found, find

_REMEMBERED = 4096  # combinations; the types that a sender may name are without number

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Plugins:
    """What was loaded."""

    names: tuple[str, ...] = ()
    """The plugins' names, in the order in which they were loaded."""
    actions: tuple[Action, ...] = ()
    """All their actions, each of a name of its own."""
    _matching: dict[tuple[str, type[AnyEvent], str], tuple[Action, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def matching(self, event: AnyEvent, source: str) -> tuple[Action, ...]:
        """The actions declared for this event, each one's `when` not yet asked."""
        key = (event.type, type(event), source)
        matching = self._matching.get(key)
        if matching is None:
            matching = tuple(action for action in self.actions if action.matches(event, source))
            if len(self._matching) >= _REMEMBERED:
                self._matching.clear()
            self._matching[key] = matching
        return matching

    def action(self, name: str) -> Action | None:
        """The action of this full name."""
        return next((action for action in self.actions if action.name == name), None)


def load_plugins(places: Sequence[str]) -> Plugins:
    """The plugins of these places, and of the installed packages that have some.

    A place is a folder, a Python file or the name of a module. Raises PluginError for the first problem.
    """
    plugins, problems = examine_plugins(places)
    if problems:
        raise problems[0]
    return plugins


def examine_plugins(places: Sequence[str]) -> tuple[Plugins, tuple[PluginError, ...]]:
    """What loads, and everything that doesn't: what `load_plugins` does, without stopping at a problem."""
    problems: list[PluginError] = []
    found = list(_sorted_out(find(places), problems))
    names: list[str] = []
    actions: dict[str, Action] = {}
    with importable([plugin.folder for plugin in found if plugin.folder]):
        for plugin in found:
            try:
                import_plugin(plugin)
                _add(actions, _actions_of(plugin))
            except PluginError as error:
                problems.append(error)
            else:
                names.append(plugin.name)
    return Plugins(tuple(names), tuple(actions.values())), tuple(problems)


def _sorted_out(candidates: Iterator[Found | PluginError], problems: list[PluginError]) -> Iterator[Found]:
    """The plugins among the candidates that have a name of their own; the others become problems."""
    origins: dict[str, str] = {}
    for candidate in candidates:
        if isinstance(candidate, PluginError):
            problems.append(candidate)
        elif candidate.name in origins:
            reason = f"two have this name: {origins[candidate.name]} and {candidate.origin}; rename one"
            problems.append(PluginError(candidate.name, reason))
        else:
            origins[candidate.name] = candidate.origin
            yield candidate


def _actions_of(plugin: Found) -> list[Action]:
    """The actions defined in the plugin's module or, for a package, in those of its modules that it imports.

    What it imports from elsewhere is not its own: `from hello import thank` makes no second action.
    """
    prefix = f"{plugin.module}."
    modules = [module for name, module in list(sys.modules.items()) if f"{name}.".startswith(prefix)]
    actions = {action: None for module in modules for action in _defined_in(module, plugin.name)}
    if not actions:
        log.warning(
            "a plugin has no action; if its file only helps others, call it _….py", plugin=plugin.name
        )
    try:
        return [action.within(plugin.name) for action in actions]
    except ValueError as error:
        raise PluginError(plugin.name, str(error)) from error


def _defined_in(module: ModuleType, plugin: str) -> Iterator[Action]:
    values = list(vars(module).values())
    visible = {id(value) for value in values}
    for value in values:
        for action in declarations(value):
            if value.__module__ != module.__name__:
                continue
            if action.function is value:
                yield action
            elif id(action.function) not in visible:
                reason = f"another decorator is above the @action of {value.__name__}; put @action on top"
                raise PluginError(plugin, reason, file=action.file, line=action.line)


def _add(actions: dict[str, Action], more: Sequence[Action]) -> None:
    for action in more:
        first = actions.setdefault(action.name, action)
        if first is not action:
            reason = f"{first.file}:{first.line} has an action {action.name!r} too; give one of them a name="
            raise PluginError(action.plugin, reason, file=action.file, line=action.line)
