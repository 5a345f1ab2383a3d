"""The sections of the settings that `settings.py` puts together; the operator's are in `steering.py`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_settings import SettingsConfigDict

from hookline.providers import providers
from hookline.redis_url import checked_url, describe
from hookline.references import checked_reference, resolve_secret


def _known_provider(name: str) -> str:
    if name not in providers():
        near = difflib.get_close_matches(name, providers(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"no provider of this name is installed ({', '.join(sorted(providers()))}){hint}")
    return name


Reference = Annotated[str, AfterValidator(checked_reference)]
PublicUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/[^?#\s]*)?$")]
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Section(BaseModel):
    """What all sections share: no unknown keys, and nothing changes after it was read."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )


class Source(Section):
    """A configured endpoint: one sender, one provider, its secrets. It answers at `POST /hooks/<name>`."""

    provider: Annotated[str, AfterValidator(_known_provider)]
    """Who sends: `misskey`, `esa`, or an installed provider."""
    secrets: tuple[Reference, ...] = ()
    """References to the secret, `env:NAME` or `file:/path`. Any may match: that is how one rotates."""
    hook_ids: tuple[str, ...] = ()
    """Misskey only: accept these webhook ids and no others. Empty: any."""
    unverified: bool = False
    """Accept every delivery without a secret. For senders on a network that you trust, nothing else."""
    max_per_second: float | None = Field(default=None, gt=0)
    """Deliveries that one receiver process takes a second; beyond that the answer is 503. Unset: no limit."""
    done_days: float | None = Field(default=None, gt=0)
    """As `retention.done_days`, for this source."""
    dead_days: float | None = Field(default=None, gt=0)
    """As `retention.dead_days`, for this source."""
    max_done: int | None = Field(default=None, ge=0)
    """As `retention.max_done`, for this source."""
    max_dead: int | None = Field(default=None, ge=0)
    """As `retention.max_dead`, for this source."""
    silent_after_hours: float | None = Field(default=None, gt=0)
    """Raise an alarm when nothing has come from it for so long. Unset: never."""

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


class Redis(Section):
    """Where the events are kept."""

    url: Annotated[str, AfterValidator(checked_url)] = "redis://127.0.0.1:6379/0"
    """`redis://`, `rediss://` (TLS) or `unix://`; for Sentinel `redis+sentinel://host:26379,…/service/0`."""
    password: Reference | None = None
    """A reference to the password, `env:NAME` or `file:/path`, where it is not in the URL."""
    sentinel_password: Reference | None = None
    """A reference to the password of the sentinels themselves, where they have one."""
    ack: Literal["memory", "disk", "replica"] = "memory"
    """Who must have a commit before the sender is answered 202: the primary, its disk, or replicas."""
    ack_replicas: int = Field(default=1, ge=1, le=16)
    """How many replicas must have it, with `ack = "replica"`."""
    commit_timeout_seconds: float = Field(default=3.0, gt=0, le=60)
    """How long a commit and the wait for it may take; it has half of that anyway. Misskey waits for 5 s."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [
            (name, describe(value) if name == "url" else value) for name, value in super().__repr_args__()
        ]


class Receiver(Section):
    """The HTTP side."""

    host: str = "127.0.0.1"
    """The address that deliveries come to. `0.0.0.0` in a container."""
    port: int = Field(default=8080, ge=0, le=65535)
    """The port that deliveries come to; 0 takes a free one and logs it."""
    admin_host: str = "127.0.0.1"
    """The address of /healthz, /readyz, /metrics and /backlog."""
    admin_port: int = Field(default=8081, ge=0, le=65535)
    """The port of /healthz, /readyz, /metrics and /backlog; 0 takes a free one and logs it."""
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
    public_url: PublicUrl | None = None
    """Where senders reach the receiver, as `https://hooks.example.org`: the console shows it to be pasted."""


class Spool(Section):
    """Where deliveries wait on the receiver's own disk while Redis does not take them."""

    folder: Path | None = None
    """A folder on a local disk, which the receiver makes if it can. Unset: no spool; the answer is 503."""
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1024 * 1024)
    """How large its file may get; beyond that the answer is 503."""


class Worker(Section):
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
    shutdown_seconds: float = Field(default=45.0, gt=0)
    """How long a stopping worker gives the runs under way before it hands them to the others."""


class Retention(Section):
    """How long finished events are kept."""

    done_days: float = Field(default=7.0, gt=0)
    """Events whose runs all succeeded."""
    dead_days: float = Field(default=30.0, gt=0)
    """Dead letters."""
    max_done: int | None = Field(default=None, ge=0)
    """Of each source's events whose runs all succeeded, only the latest so many are kept. Unset: no limit."""
    max_dead: int | None = Field(default=None, ge=0)
    """Of each source's dead letters, only the latest so many are kept. Unset: no limit."""


class Logging(Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is coloured text in a terminal and JSON elsewhere."""
