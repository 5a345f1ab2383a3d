"""How a sender's requests are verified and read. Providers are pure: no I/O, no clock, no state.

Built-in providers come in through the same door as anybody's: the entry points of the group
`hookline.providers`, each naming an object that has what `Provider` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from hookline.errors import SettingsError
from hookline.events import AnyEvent, Event

ENTRY_POINT_GROUP = "hookline.providers"
DEDUPE_WINDOW_SECONDS = 8 * 24 * 3600  # an administrator can re-run a failed Misskey job for 7 days


@dataclass(frozen=True, slots=True)
class Delivery:
    """One HTTP request as it came: header names and values as bytes, in their order, and the raw body."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header of this lower-case name, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class DedupeKey:
    """What two deliveries of one event share, and for how long a second one is taken for a repeat."""

    key: str
    window_seconds: int = DEDUPE_WINDOW_SECONDS


Verifier = Callable[[Delivery], None]
"""Returns nothing for a genuine delivery, raises VerificationError for any other."""


class Provider(Protocol):
    """What Hookline asks of a provider."""

    name: str
    secret_headers: frozenset[str]
    """Lower-case names of headers whose values are struck out before anything is stored."""
    events: Sequence[type[Event]]
    """Every typed event that `parse` can return."""
    gives_up_after_seconds: float | None
    """How long after its first try, at the least, the sender tries a delivery for the last time.

    None where it isn't known to try again. The alarms say by it until when a refused delivery can be saved.
    """

    def verifier(self, secrets: Sequence[bytes], hook_ids: Sequence[str] = ()) -> Verifier:
        """A verifier that accepts any of these secrets; `hook_ids`, where given, narrows it further."""

    def dedupe_key(self, delivery: Delivery) -> DedupeKey:
        """The key that this delivery shares with the sender's repeats of it."""

    def parse(self, delivery: Delivery) -> AnyEvent:
        """The typed event, or an UnknownEvent for a type that no model knows.

        Raises ParseError when the payload is not what any version of this sender sends.
        """


@cache
def providers() -> dict[str, Provider]:
    """Every installed provider by name."""
    return {point.name: point.load() for point in entry_points(group=ENTRY_POINT_GROUP)}


def provider(name: str) -> Provider:
    """The provider of this name; SettingsError names those that there are."""
    try:
        return providers()[name]
    except KeyError:
        raise SettingsError(
            f"provider {name!r} is not installed; there are {', '.join(sorted(providers()))}"
        ) from None
