"""Genuine deliveries of every type of both providers, from which bad ones are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hookline.senders import Outgoing, delivery_random, make_delivery, sender_types

MISSKEY_SECRET = b"misskey-secret-7Qp2"
ESA_SECRET = b"esa-secret-9fLw"
SECRETS = {"misskey": MISSKEY_SECRET, "esa": ESA_SECRET}
HOOK_ID = "a1b2c3d4e5hook01"
PROVIDERS = tuple(SECRETS)
_OF_EACH_TYPE = 2
_SENT_AT_MS = 1_790_000_000_000


@dataclass(frozen=True, slots=True)
class Genuine:
    """A delivery, with who sends it and what."""

    provider: str
    kind: str
    delivery: Outgoing


@cache
def pool(provider: str, secret: bytes) -> tuple[Genuine, ...]:
    """The same deliveries each time: a few of each type."""
    return tuple(
        Genuine(
            provider,
            kind,
            make_delivery(
                provider,
                kind,
                secret=secret,
                rng=delivery_random(f"bad input {kind}", number),
                now_ms=_SENT_AT_MS + number,
                hook_id=HOOK_ID if provider == "misskey" else None,
            ),
        )
        for kind in sender_types(provider)
        for number in range(_OF_EACH_TYPE)
    )
