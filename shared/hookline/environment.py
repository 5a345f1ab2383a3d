"""The settings that HOOKLINE_* variables give; pydantic-settings reads them, `__` goes one level down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

PREFIX = "HOOKLINE_"
CONFIG_VARIABLE = "HOOKLINE_CONFIG"

_REFERENCE = re.compile(r"\benv:(\w+)")
_SERVICE_LINK_NAME = re.compile(r"_SERVICE_(HOST|PORT)(_|$)|_PORT_[0-9]+_(TCP|UDP)(_|$)")
_SERVICE_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


class Variables(EnvSettingsSource):
    """The settings in `environ`, with names spelled as they are in the file.

    An empty variable counts as not set, and one that a secret refers to is the user's, whatever its name.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], environ: Mapping[str, str], in_file: Mapping[str, Any]
    ) -> None:
        super().__init__(settings_cls, case_sensitive=False)
        # Sorted, a section that is given whole comes before its parts, which win over it.
        ours = {name: text for name, text in sorted(environ.items()) if name.startswith(PREFIX) and text}
        not_meant = {CONFIG_VARIABLE, *_REFERENCE.findall(repr((in_file, ours)))}
        self.env_vars = {
            PREFIX.lower() + _as_spelled(name[len(PREFIX) :].lower(), in_file): text
            for name, text in ours.items()
            if name not in not_meant and not _is_service_link(name, text)
        }

    def __call__(self) -> dict[str, Any]:
        """The values; a variable of no section stands beside the sections, where the model refuses it."""
        given = {name[len(PREFIX) :]: text for name, text in self.env_vars.items()}
        sections = self.settings_cls.model_fields
        stray = {name: text for name, text in given.items() if name.partition("__")[0] not in sections}
        return stray | super().__call__()

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: str) -> Any:
        """A section is JSON, a list too or has commas; anything else is left to the model to refuse."""
        if value.lstrip().startswith(("[", "{")):
            try:
                return super().decode_complex_value(field_name, field, value)  # type: ignore[arg-type]
            except ValueError:
                return value
        if field and get_origin(field.annotation) is tuple:
            return [item.strip() for item in value.split(",") if item.strip()]
        return value


def _as_spelled(name: str, in_file: Mapping[str, Any]) -> str:
    """The name as the file has it: no shell can say `team-docs` in a variable's name, but TEAM_DOCS."""
    parts, beside = [], in_file
    for part in name.split("__"):
        meant = (each for each in beside if re.sub(r"[^a-z0-9]", "_", each.lower()) == part)
        parts.append(part if part in beside else next(meant, part))
        below = beside.get(parts[-1])
        beside = below if isinstance(below, dict) else {}
    return "__".join(parts)


def _is_service_link(name: str, text: str) -> bool:
    """Kubernetes tells every container of its services, one called `hookline` too: HOOKLINE_PORT=tcp://…"""
    return bool(
        _SERVICE_LINK_NAME.search(name) or (name.endswith("_PORT") and _SERVICE_LINK_VALUE.match(text))
    )
