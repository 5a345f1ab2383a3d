"""The settings: `hookline.toml`, each one also an environment variable; secrets by reference, never shown."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from hookline.environment import CONFIG_VARIABLE, PREFIX, Variables
from hookline.errors import SettingsError
from hookline.providers import providers
from hookline.redis_url import checked_url, describe
from hookline.references import checked_reference, resolve_secret
from hookline.settings_problems import explain

DEFAULT_CONFIG = Path("hookline.toml")


def _known_provider(name: str) -> str:
    if name not in providers():
        near = difflib.get_close_matches(name, providers(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no provider of this name is installed ({', '.join(sorted(providers()))}){hint}")
    return name


_Reference = Annotated[str, AfterValidator(checked_reference)]
_SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class _Section(BaseModel):
    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Source(_Section):
    """A configured endpoint: one sender, one provider, its secrets. It answers at `POST /hooks/<name>`."""

    provider: Annotated[str, AfterValidator(_known_provider)]
    """Who sends: `misskey`, `esa`, or an installed provider."""
    secrets: tuple[_Reference, ...] = ()
    """References to the secret, `env:NAME` or `file:/path`. Any may match: that is how one rotates."""
    hook_ids: tuple[str, ...] = ()
    """Misskey only: accept these webhook ids and no others. Empty: any."""
    unverified: bool = False
    """Accept every delivery without a secret. For senders on a network that you trust, nothing else."""
    max_per_second: float | None = Field(default=None, gt=0)
    """Deliveries that one receiver process takes a second; beyond that the answer is 503. Unset: no limit."""

    @model_validator(mode="after")
    def _says_how_it_verifies(self) -> Source:
        if not self.secrets and not self.unverified:
            raise ValueError(
                'a source needs its secret: secrets = ["env:NAME"] or ["file:/path"] '
                "(or, to accept anybody's deliveries, unverified = true)"
            )
        if self.secrets and self.unverified:
            raise ValueError("has secrets and unverified = true, which contradict each other; remove one")
        return self

    def secret_values(self) -> tuple[bytes, ...]:
        """The secrets themselves, read now from where the references point, outer white space stripped.

        Raises SettingsError that names a reference that is malformed, missing or empty.
        """
        return tuple(resolve_secret(reference) for reference in self.secrets)


class Redis(_Section):
    """Where the events are kept."""

    url: Annotated[str, AfterValidator(checked_url)] = "redis://127.0.0.1:6379/0"
    """`redis://`, `rediss://` (TLS) or `unix://`; for Sentinel `redis+sentinel://host:26379,…/service/0`."""
    password: _Reference | None = None
    """A reference to the password, `env:NAME` or `file:/path`, where it is not in the URL."""
    sentinel_password: _Reference | None = None
    """A reference to the password of the sentinels themselves, where they have one."""
    ack: Literal["memory", "disk", "replica"] = "memory"
    """Who must have a commit before the sender is answered 202: the primary, its disk, or replicas."""
    ack_replicas: int = Field(default=1, ge=1, le=16)
    """How many replicas must have it, with `ack = "replica"`."""
    commit_timeout_seconds: float = Field(default=3.0, gt=0, le=60)
    """How long one commit may take before it counts as failed. Misskey itself waits 5 s for its answer."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [
            (name, describe(value) if name == "url" else value) for name, value in super().__repr_args__()
        ]


class Receiver(_Section):
    """The HTTP side."""

    host: str = "127.0.0.1"
    """The address that deliveries come to. `0.0.0.0` in a container."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port that deliveries come to; 0 takes a free one and logs it."""
    admin_host: str = "127.0.0.1"
    """The address of /healthz and /readyz."""
    admin_port: int = Field(default=8081, ge=0, le=65535)
    """The port of /healthz and /readyz; 0 takes a free one and logs it."""
    max_body_bytes: int = Field(default=1024 * 1024, gt=0, le=64 * 1024 * 1024)
    """A larger body is answered 413."""
    body_timeout_seconds: float = Field(default=10.0, gt=0)
    """A body that has not arrived whole by then is dropped with its connection."""
    idle_timeout_seconds: float = Field(default=75.0, gt=0)
    """A connection without a complete request for this long is closed."""
    max_waiting_bytes: int = Field(default=64 * 1024 * 1024, gt=0)
    """Deliveries waiting for their commit, in all; beyond that the answer is 503."""
    max_waiting_events: int = Field(default=1_000_000, gt=0)
    """Unfinished events, in all; beyond that deliveries go to the spool, or are answered 503."""
    max_redis_memory_percent: float = Field(default=90.0, gt=0, le=100)
    """Of Redis's `maxmemory`; beyond that deliveries go to the spool, or are answered 503."""
    shutdown_seconds: float = Field(default=10.0, gt=0)
    """How long a stopping receiver gives the requests under way."""
    linger_seconds: float = Field(default=1.0, gt=0)
    """A stopping receiver closes a connection on which nothing has come for so long."""


class Spool(_Section):
    """Where deliveries wait on the receiver's own disk while Redis does not take them."""

    folder: Path | None = None
    """A folder on a local disk, which the receiver makes if it can. Unset: no spool; the answer is 503."""
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """How large its file may get; beyond that the answer is 503."""


class Worker(_Section):
    """The side that runs the actions."""

    plugins: tuple[str, ...] = ("plugins",)
    """Folders of plugin files, single files, or module names."""
    queue: str = Field(default="hookline", pattern=r"^[a-z0-9_-]{1,64}$")
    """The RQ queue between receiver and worker."""
    attempts: int = Field(default=8, ge=1, le=100)
    """How often a run is tried before its event is a dead letter, where the action doesn't say."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """How long one attempt may take, where the action doesn't say."""
    backoff_base_seconds: float = Field(default=4.0, gt=0)
    """The longest delay before the second attempt; it doubles with each. The delay is drawn from 0 to it."""
    backoff_cap_seconds: float = Field(default=3600.0, gt=0)
    """The longest delay before any attempt."""
    slice_seconds: float = Field(default=2.0, gt=0)
    """No group that still runs keeps the next ones waiting for longer; with few under way, for much less."""
    max_children: int = Field(default=20, ge=1)
    """Groups that a worker process has under way at once, at the most; of one source, three quarters."""
    groups_per_child: int = Field(default=16, ge=1)
    """Groups that a forked child runs, one after another, before a fresh one takes its place."""
    concurrency: int = Field(default=64, ge=1)
    """Runs under way at the same time within one group, at the most."""
    shutdown_seconds: float = Field(default=30.0, gt=0)
    """How long a stopping worker gives the runs under way before it hands them to the others."""


class Retention(_Section):
    """How long finished events are kept."""

    done_days: float = Field(default=7.0, gt=0)
    """Events whose runs all succeeded."""
    dead_days: float = Field(default=30.0, gt=0)
    """Dead letters."""


class Logging(_Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is coloured text in a terminal and JSON elsewhere."""


class Settings(_Section, BaseSettings, env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=True):
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
    logging: Logging = Logging()
    """What is told on standard error."""
    sources: dict[_SourceName, Source] = {}
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
