"""The senders themselves, for trying things out: deliveries made as Misskey and esa make them, and posted.

The same random source and the same time give the same bytes, so that a delivery can be sent again.
"""

from __future__ import annotations

import difflib
import random
from typing import Protocol

from hookline.errors import SettingsError
from hookline.events import snake_case
from hookline.senders import esa, misskey
from hookline.senders.answer import Answer
from hookline.senders.post import Poster, post_all
from hookline.senders.wire import Outgoing, Target, parse_target, request_bytes

__all__ = [
    "Answer",
    "Outgoing",
    "Poster",
    "Target",
    "delivery_random",
    "make_delivery",
    "parse_target",
    "post_all",
    "request_bytes",
    "sender_type",
    "sender_types",
]


class _Make(Protocol):
    def __call__(
        self,
        kind: str,
        *,
        secret: bytes,
        rng: random.Random,
        now_ms: int,
        size_bytes: int,
        hook_id: str | None,
    ) -> Outgoing: ...


_SENDERS: dict[str, tuple[tuple[str, ...], _Make]] = {
    "esa": (esa.TYPES, esa.make),
    "misskey": (misskey.TYPES, misskey.make),
}


def sender_types(provider: str) -> tuple[str, ...]:
    """Every type that this provider's sender sends, under the sender's own names.

    Raises SettingsError for a provider that Hookline cannot send as.
    """
    return _sender(provider)[0]


def sender_type(provider: str, name: str) -> str:
    """The sender's own name of a type: `abuse_report`, `AbuseReport` and `abuseReport` are all `abuseReport`.

    Raises SettingsError that names the nearest type.
    """
    known = {snake_case(each): each for each in sender_types(provider)}
    try:
        return known[snake_case(name)]
    except KeyError:
        hint = _nearest(snake_case(name), known)
        raise SettingsError(f"{provider} sends no {name!r}{hint}; it sends {', '.join(known)}") from None


def delivery_random(seed: int | str, index: int) -> random.Random:
    """The random source of delivery number `index` of a run; deliveries can so be made in any order."""
    return random.Random(f"{seed}:{index}")  # noqa: S311 (it invents text; no secret comes from it)


def make_delivery(
    provider: str,
    event_type: str,
    *,
    secret: bytes,
    rng: random.Random,
    now_ms: int,
    size_bytes: int = 0,
    hook_id: str | None = None,
) -> Outgoing:
    """A delivery as this sender would make it now: fresh ids, signed, and byte for byte in its style.

    `size_bytes` lengthens the text of the types that carry one until the body has that size. `hook_id` is
    Misskey's. An empty secret is what the sender sends when none is set. Raises SettingsError for an
    unknown provider or type.
    """
    _, make = _sender(provider)
    kind = sender_type(provider, event_type)
    return make(kind, secret=secret, rng=rng, now_ms=now_ms, size_bytes=size_bytes, hook_id=hook_id)


def _sender(provider: str) -> tuple[tuple[str, ...], _Make]:
    try:
        return _SENDERS[provider]
    except KeyError:
        hint = _nearest(provider, _SENDERS)
        raise SettingsError(
            f"Hookline cannot send as {provider!r}{hint}; it can send as {', '.join(_SENDERS)}"
        ) from None


def _nearest(name: str, known: dict[str, str] | dict[str, tuple[tuple[str, ...], _Make]]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else ""
