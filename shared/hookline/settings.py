"""The settings: `hookline.toml`, each one also an environment variable; secrets by reference, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from hookline.environment import CONFIG_VARIABLE, PREFIX, Variables
from hookline.errors import SettingsError
from hookline.sections import Logging, Receiver, Redis, Retention, Section, Source, SourceName, Spool, Worker
from hookline.settings_problems import explain
from hookline.steering import Alarms, Console, Tracing

__all__ = [
    "Alarms",
    "Console",
    "Logging",
    "Receiver",
    "Redis",
    "Retention",
    "Settings",
    "Source",
    "Spool",
    "Tracing",
    "Worker",
    "config_file",
    "load_settings",
]

DEFAULT_CONFIG = Path("hookline.toml")


class Settings(Section, BaseSettings, env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=True):
    """Everything that can be set; `load_settings` reads it, and `Settings(…)` is what it is given."""

    redis: Redis = Redis()
    """Where the events are kept."""
    receiver: Receiver = Receiver()
    """The HTTP side."""
    spool: Spool = Spool()
    """Where deliveries wait on the receiver's own disk while Redis does not take them."""
    worker: Worker = Worker()
    """The side that runs the actions."""
    retention: Retention = Retention()
    """How long finished events are kept."""
    console: Console = Console()
    """The operator's web page."""
    alarms: Alarms = Alarms()
    """Who is told when something is wrong, and how often."""
    tracing: Tracing = Tracing()
    """OpenTelemetry traces."""
    logging: Logging = Logging()
    """What is told on standard error."""
    sources: dict[SourceName, Source] = {}
    """The configured endpoints by name."""
    plugins: dict[str, dict[str, Any]] = Field(default={}, repr=False)
    """Each plugin's own settings by the plugin's name; an action reads them as `ctx.settings`."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Not the environment of the process: `load_settings` is told where to read."""
        return (init_settings,)


def load_settings(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings from `path`, else from $HOOKLINE_CONFIG, else from ./hookline.toml if there is one.

    Environment variables win over the file: HOOKLINE_REDIS__URL over `url` in `[redis]`.
    Raises SettingsError that lists everything wrong, each with its place, its name and the way out.
    """
    file = _read(config_file(path, environ=environ))
    variables = Variables(Settings, environ, file.toml_data)
    try:
        # Given ready-made: `settings_customise_sources` knows neither the file nor `environ`.
        return Settings(_build_sources=((variables, file), {}))
    except ValidationError as error:
        problems = [explain(problem, variables, file) for problem in error.errors()]
        raise SettingsError("\n".join(problems)) from error


def config_file(path: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that `load_settings` reads, or None without one; SettingsError when a named one is missing."""
    named = path or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named and not named.is_file():
        raise SettingsError(
            f"{named}: no such file; write one (see docs/settings.md) or name another by --config"
        )
    return named or (DEFAULT_CONFIG if DEFAULT_CONFIG.is_file() else None)


def _read(file: Path | None) -> TomlConfigSettingsSource:
    try:
        return TomlConfigSettingsSource(Settings, file)
    except ValueError as error:
        raise SettingsError(f"{file} is not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from error
