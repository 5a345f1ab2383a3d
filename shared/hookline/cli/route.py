"""Where `hookline send` sends to and with which secret: from its options, else from the settings."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from hookline.errors import SettingsError
from hookline.references import resolve_secret
from hookline.senders import parse_target
from hookline.settings import Settings, Source, load_settings

DEV_SECRET = "dev-secret"  # noqa: S105 (of the sources that `hookline dev` makes up, on this machine alone)


@dataclass(frozen=True, slots=True)
class Route:
    """Where the deliveries go, and what makes them genuine there."""

    url: str
    secret: bytes = field(repr=False)
    hook_id: str | None = None


def find_route(
    provider: str,
    *,
    url: str | None,
    source_name: str | None,
    secret_reference: str | None,
    config: Path | None,
) -> Route:
    """From the options, and from the settings where those don't say everything."""
    if url:
        parse_target(url)
    if url and secret_reference and not source_name:
        return Route(url, resolve_secret(secret_reference))
    settings = load_settings(config)
    if not settings.sources and source_name is None:  # as `hookline dev` then takes them
        secret = resolve_secret(secret_reference) if secret_reference else DEV_SECRET.encode()
        return Route(url or _receiver_url(settings, provider), secret)
    name, source = _choose_source(settings, provider, source_name)
    if secret_reference:
        secret = resolve_secret(secret_reference)
    else:
        secret = resolve_secret(source.secrets[0]) if source.secrets else b""  # none: it is unverified
    return Route(url or _receiver_url(settings, name), secret, next(iter(source.hook_ids), None))


def _choose_source(settings: Settings, provider: str, name: str | None) -> tuple[str, Source]:
    if name is None:
        fitting = [each for each, source in settings.sources.items() if source.provider == provider]
        if len(fitting) > 1:
            raise SettingsError(
                f"several sources have the provider {provider}; add --source {' or '.join(fitting)}"
            )
        if not fitting:
            raise SettingsError(
                f"no source in the settings has the provider {provider}; add [sources.{provider}] to "
                "hookline.toml (or name it with --config), or give both --url and --secret env:NAME"
            )
        name = fitting[0]
    if name not in settings.sources:
        near = difflib.get_close_matches(name, settings.sources, n=1)
        known = (
            f"there are {', '.join(settings.sources)}" if settings.sources else "the settings have no sources"
        )
        raise SettingsError(
            f"there is no source {name!r}; " + (f"did you mean {near[0]!r}?" if near else known)
        )
    if (actual := settings.sources[name].provider) != provider:
        raise SettingsError(f"the source {name!r} expects deliveries of {actual}, not of {provider}")
    return name, settings.sources[name]


def _receiver_url(settings: Settings, source_name: str) -> str:
    host, port = settings.receiver.host, settings.receiver.port
    if port == 0:
        raise SettingsError(
            "receiver.port is 0, any free port; give the one that the receiver logged with --url"
        )
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 (not bound to)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/hooks/{source_name}"
