"""What is wrong with the settings, as a person reads it: where it was given, its name, and the way out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_settings import TomlConfigSettingsSource

from hookline.environment import CONFIG_VARIABLE, PREFIX, Variables

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NOT_SHOWN = re.compile(
    r"sources(\.[^.]*(\.(secrets|hook_ids).*)?)?|redis(\.(url|(sentinel_)?password))?|console(\.password)?|alarms(\.to.*)?|plugins.*"
)
"""Places where a value may be a secret that was put there by mistake."""


def explain(problem: ErrorDetails, variables: Variables, file: TomlConfigSettingsSource) -> str:
    """One validation problem in one line; a value is shown only where it cannot be a secret."""
    location = tuple(str(part) for part in problem["loc"])
    is_name = location[-1:] == ("[key]",)
    location = location[:-1] if is_name else location
    place = _place(location, variables, file)
    if is_name:
        return (
            f"{place}: the name becomes part of a URL: "
            "small letters, digits, and . _ - after the first, 64 at the most"
        )
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such setting; {_nearest(place, location, variables.settings_cls)}"
    if problem["type"] == "missing":
        return f"{place}: is missing"
    reason = re.sub(r"^Value error, ", "", problem["msg"])
    return f"{place}: {reason}{_shown('.'.join(location), problem['input'])}"


def _place(location: tuple[str, ...], variables: Variables, file: TomlConfigSettingsSource) -> str:
    """Who said it: the variable that gave this place, else the file, else the variable that would give it."""
    for depth in range(len(location), 0, -1):
        if PREFIX.lower() + "__".join(location[:depth]) in variables.env_vars:
            below = ".".join(location[depth:])
            return _variable(location[:depth]) + (f": {below}" if below else "")
        if _is_in(file.toml_data, location[:depth]):
            break
    return f"{file.toml_file_path}: {'.'.join(location)}" if file.toml_file_path else _variable(location)


def _variable(location: tuple[str, ...]) -> str:
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", "__".join(location).upper())


def _is_in(values: Any, location: tuple[str, ...]) -> bool:
    for part in location:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _shown(place: str, value: object) -> str:
    if _NOT_SHOWN.fullmatch(place) or not isinstance(value, str | int | float):
        return ""
    return f" (it is {value!r})"


def _nearest(place: str, location: tuple[str, ...], model: type[BaseModel]) -> str:
    """What may have been meant: another variable where a variable said it, else a name beside this one."""
    if place == _variable(location):
        name = place[len(PREFIX) :]
        known = {each: PREFIX + each for each in (CONFIG_VARIABLE[len(PREFIX) :], *_variables(model, name))}
        otherwise = "docs/settings.md lists them all"
    else:
        name = location[-1]
        known = {each: repr(each) for each in _names_beside(model, location)}
        otherwise = f"there are {', '.join(sorted(known))}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {known[near[0]]}?" if near else otherwise


def _variables(model: type[BaseModel], like: str) -> Iterator[str]:
    """Every variable, without the prefix; where the user gives names, as `like` gives them."""
    called = like.split("__")[1] if like.count("__") > 1 else "<NAME>"
    for section, field in model.model_fields.items():
        kind: Any = field.annotation
        if get_origin(kind) is dict:
            section, kind = f"{section}__{called}", get_args(kind)[1]
        yield from (f"{section}__{name}".upper() for name in getattr(kind, "model_fields", ()))


def _names_beside(model: type[BaseModel], location: tuple[str, ...]) -> list[str]:
    """The names that are allowed where the last part of `location` is not."""
    kind: Any = model
    for part in location[:-1]:
        kind = get_args(kind)[1] if get_origin(kind) is dict else kind.model_fields[part].annotation
    return list(kind.model_fields)
