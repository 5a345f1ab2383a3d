"""The configured sources, ready to receive: how each is verified, and what is stored of its deliveries."""

from __future__ import annotations

from dataclasses import dataclass

from hookline.errors import SettingsError
from hookline.intake import RawEvent, new_event_id
from hookline.operations import now_ms
from hookline.providers import Delivery, Provider, Verifier, provider, providers
from hookline.settings import Settings
from hookline.stored import headers_json
from hookline_receiver.pace import Pace
from hookline_receiver.secret_ages import digest

ALWAYS_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source, ready to receive.

    `verify` is None where the settings say `unverified = true`, and `pace` where it may send without limit.
    """

    name: str
    provider: Provider
    verify: Verifier | None
    secret_headers: frozenset[str]
    pace: Pace | None = None
    secrets_digest: bytes = b""
    """What stands for its secrets, see `secret_ages.py`."""

    def raw_event(self, delivery: Delivery) -> RawEvent:
        """What is stored of a delivery that came just now."""
        received_at_ms = now_ms()
        dedupe = self.provider.dedupe_key(delivery)
        return RawEvent(
            id=new_event_id(received_at_ms),
            source=self.name,
            provider=self.provider.name,
            received_at_ms=received_at_ms,
            dedupe_key=dedupe.key,
            dedupe_window_ms=dedupe.window_seconds * 1000,
            headers=headers_json(delivery.headers, self.secret_headers),
            body=delivery.body,
        )


def endpoints(settings: Settings) -> dict[str, Endpoint]:
    """The configured sources by name; SettingsError names every one whose secret is missing."""
    # Every provider's, since a request can carry the headers of another one's sender.
    secret_headers = ALWAYS_SECRET.union(*(each.secret_headers for each in providers().values()))
    found, problems = {}, []
    for name, source in settings.sources.items():
        try:
            chosen = provider(source.provider)
            values = source.secret_values()
            verify = None if source.unverified else chosen.verifier(values, source.hook_ids)
        except SettingsError as error:
            problems.append(f"sources.{name}: {error}")
        else:
            pace = Pace(name, source.max_per_second) if source.max_per_second else None
            found[name] = Endpoint(name, chosen, verify, secret_headers, pace, digest(values))
    if problems:
        raise SettingsError("\n".join(problems))
    return found
