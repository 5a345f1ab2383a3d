"""What a shell completes: names and ids that are in Redis. Where it does not answer at once: nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import typer

from hookline.cli.known import known_actions, known_sources, known_types
from hookline.connections import connect
from hookline.index import Filter, search
from hookline.replays import bulks
from hookline.settings import Settings, load_settings
from hookline.store import Store

PATIENCE_SECONDS = 0.5
"""Whoever has pressed Tab doesn't want to wait for a Redis that is away."""
MOST = 50

Found = list[tuple[str, str]]
"""What there is to choose from, each with a word about it."""


def _completes(
    look: Callable[[Store, Settings], Iterable[tuple[str, str]]],
) -> Callable[[typer.Context, str], Found]:
    def complete(context: typer.Context, incomplete: str) -> Found:
        try:
            config = context.params.get("config")
            settings = load_settings(Path(config) if config else None)
            client = connect(settings.redis, response_timeout_seconds=PATIENCE_SECONDS, reconnects=0)
            with client:
                choices = look(Store(client, settings.worker.queue), settings)
                return list(islice((each for each in choices if each[0].startswith(incomplete)), MOST))
        except Exception:  # whatever it is, a person at a prompt must not see it there
            return []

    complete.__doc__ = look.__doc__  # not `wraps`: Typer goes by the signature
    return complete


@_completes
def complete_sources(store: Store, settings: Settings) -> Found:
    """Sources of the settings, or of stored events."""
    return _named(known_sources(store, settings))


@_completes
def complete_types(store: Store, settings: Settings) -> Found:
    """Types of stored events."""
    return _named(known_types(store))


@_completes
def complete_actions(store: Store, settings: Settings) -> Found:
    """Actions that have run, or are paused."""
    return _named(known_actions(store))


@_completes
def complete_events(store: Store, settings: Settings) -> Found:
    """The latest events."""
    events = search(store, Filter(), size=MOST).events
    return [(event.id, f"{event.type or event.source} {event.state}") for event in events]


@_completes
def complete_bulks(store: Store, settings: Settings) -> Found:
    """Bulk replays that are not over."""
    return [(each.id, each.state) for each in bulks(store) if not each.is_over]


def _named(names: Iterable[str]) -> Found:
    return [(name, "") for name in sorted(names)]
