"""What a campaign's senders send: mixed types of both providers, and what each must have been acted on by."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from hookline.events import snake_case
from hookline.operations import now_ms
from hookline.senders import Outgoing, delivery_random, make_delivery, sender_types

SECRETS = {"misskey": b"chaos-misskey-4hT8", "team": b"chaos-esa-Qx81"}
PROVIDERS = {"misskey": "misskey", "team": "esa"}
"""The sources by name, and who sends to each. `misskey` retries, `team` never does."""
POISON = "post_stop_sharing"
POISON_EVERY = 1500
"""One delivery in so many kills its process."""
_MORE_OFTEN = {"note": 12, "mention": 6, "reaction": 4, "post_create": 6, "post_update": 6}

WANTED: dict[str, frozenset[str]] = {
    "misskey.note": frozenset({"threaded"}),
    "misskey.mention": frozenset({"threaded"}),
    "esa.post_create": frozenset({"threaded"}),
    "misskey.renote": frozenset({"slow"}),
    "esa.comment_create": frozenset({"slow_threaded"}),
    "misskey.followed": frozenset({"flaky"}),
    "esa.post_archive": frozenset({"flaky"}),
    "misskey.reaction": frozenset({"later"}),
    "esa.post_stop_sharing": frozenset({"poison"}),
}
"""By type, which of the actions of `plugins/witnessed.py` run on it, beside `quick`, which runs on all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing that happened at a sender, ready to be sent as often as the sender would."""

    key: str
    source: str
    kind: str
    outgoing: Outgoing


def deliveries(count: int, seed: int) -> Iterator[Delivery]:
    """So many, the same ones for the same seed, but for the time in them."""
    choice = random.Random(f"{seed}:deliveries")  # noqa: S311 (a choice of what to send)
    mix = {source: _mix(provider) for source, provider in PROVIDERS.items()}
    poison_at = choice.randrange(20, 120)
    for number in range(count):
        is_poison = number % POISON_EVERY == poison_at
        source = "team" if is_poison else choice.choice(list(PROVIDERS))
        kind = POISON if is_poison else choice.choice(mix[source])
        yield _delivery(source, kind, seed, number)


def wanted(event_type: str) -> frozenset[str]:
    """The actions that must run on an event of this type."""
    return WANTED.get(event_type, frozenset()) | {"quick"}


def delivery_key(source: str, headers: Iterator[tuple[str, str]], body: bytes) -> str:
    """The sender's own id of a delivery, as it can be read off any copy of it."""
    if PROVIDERS[source] == "misskey":
        return str(json.loads(body)["eventId"])
    return next(value for name, value in headers if name.lower() == "x-esa-delivery")


def _mix(provider: str) -> list[str]:
    return [
        kind for kind in sender_types(provider) if kind != POISON for _ in range(_MORE_OFTEN.get(kind, 1))
    ]


def _delivery(source: str, kind: str, seed: int, number: int) -> Delivery:
    provider = PROVIDERS[source]
    made = make_delivery(
        provider, kind, secret=SECRETS[source], rng=delivery_random(seed, number), now_ms=now_ms()
    )
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in made.headers)
    return Delivery(delivery_key(source, headers, made.body), source, f"{provider}.{snake_case(kind)}", made)
