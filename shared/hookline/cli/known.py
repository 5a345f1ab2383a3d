"""The names that there are: of sources, event types and actions."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hookline.errors import HooklineError
from hookline.keys import COUNTERS_KEY
from hookline.lanes import paused_actions
from hookline.operations import text
from hookline.settings import Settings
from hookline.store import Store


def known_sources(store: Store, settings: Settings) -> set[str]:
    """Those of the settings, and those of which events are stored."""
    return {*settings.sources, *store.sources()}


def known_types(store: Store) -> set[str]:
    """The types of the events that are stored."""
    return {name.partition("/")[2] for name in store.index_names()} - {""}


def known_actions(store: Store) -> set[str]:
    """Those that have ever run, or are paused."""
    counters = text(store.redis.hkeys(COUNTERS_KEY))
    have_run = {name.split(":", 2)[2] for name in counters if name.startswith("runs:")}
    return have_run | paused_actions(frozenset(store.paused()))


def unknown(kind: str, name: str, known: Iterable[str]) -> HooklineError:
    """What to say of a name that there isn't: which one was meant, or which there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        hint = f"there are {', '.join(names)}" if names else "there is none yet"
    return HooklineError(f"there is no {kind} {name!r}; {hint}")
