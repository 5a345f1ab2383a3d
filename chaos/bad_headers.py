"""Deliveries for the verifiers: genuine, nearly genuine and not at all, each with the answer it must get.

Whether a delivery is genuine is told here a second time, from the senders' rules, so that a verifier that
lets in a forged one, or keeps out a genuine one, is found.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from chaos.damage import MORSELS, damaged, invented_json
from chaos.genuine import ESA_SECRET, HOOK_ID, MISSKEY_SECRET, pool
from hookline.errors import VerificationError
from hookline.providers import DedupeKey, Delivery, Verifier, provider

AREA = "verifiers"
_FAMILIES = (b"misskey", b"firefish", b"calckey", b"iceshrimp")
_LATIN_1_SECRET = "clé-secrète-Ä9".encode()
_SECRET_NAMES = frozenset(b"x-" + family + b"-hook-secret" for family in _FAMILIES)
_ID_NAMES = frozenset(b"x-" + family + b"-hook-id" for family in _FAMILIES)
_SIGNATURE_NAME = b"x-esa-signature"
_WHITE_SPACE = b" \t\n\r\x0b\x0c"
_MOST_KEY_CHARACTERS = 100

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it is configured, and its verifier."""

    provider: str
    secrets: tuple[bytes, ...]
    hook_ids: tuple[str, ...]
    verify: Verifier

    def is_genuine(self, delivery: Delivery) -> bool:
        """Whether the sender, with a secret of this source, may have sent this."""
        if self.provider == "esa":
            values = _values(delivery.headers, frozenset({_SIGNATURE_NAME}))
            signed = {
                b"sha256=" + hmac.new(secret, delivery.body, hashlib.sha256).hexdigest().encode()
                for secret in self.secrets
            }
            return len(values) == 1 and {value[:7] + value[7:].lower() for value in values} <= signed
        secrets = _values(delivery.headers, _SECRET_NAMES)
        known = {secret for each in self.secrets for secret in (each, _in_latin_1(each))}
        ids = _values(delivery.headers, _ID_NAMES)
        is_bound = not self.hook_ids or (len(ids) == 1 and ids <= {each.encode() for each in self.hook_ids})
        return len(secrets) == 1 and secrets <= known and is_bound


def try_case(rng: Random) -> tuple[bytes, str, str]:
    """Make a delivery, have it verified, and compare."""
    source = rng.choice(_sources())
    delivery = _delivery(rng, source)
    raw = b"\n".join(b"%b: %b" % header for header in delivery.headers) + b"\n\n" + delivery.body
    return raw, *judge(source, delivery)


def judge(source: Source, delivery: Delivery) -> tuple[str, str]:
    """What is wrong with what the verifier, and the dedupe key, make of it: the kind and the words, or ""."""
    try:
        accepted = _accepts(source.verify, delivery)
        key = provider(source.provider).dedupe_key(delivery)
    except Exception as error:  # anything else is what is looked for
        return "error", f"the verifier of {source.provider} raised {error!r:.300}"
    if accepted and not source.is_genuine(delivery):
        return "forged", f"{source.provider}: accepted a forged delivery"
    if not accepted and source.is_genuine(delivery):
        return "kept out", f"{source.provider}: refused a genuine delivery"
    if not is_sound(key):
        return "error", f"the dedupe key of {source.provider} is {key!r:.300}"
    return "", ""


def is_sound(key: DedupeKey) -> bool:
    """Whether it can stand in Redis as it is: short, plain, and with a time."""
    return 0 < len(key.key) <= _MOST_KEY_CHARACTERS and key.key.isascii() and key.window_seconds > 0


@cache
def _sources() -> tuple[Source, ...]:
    return (
        _source("misskey", MISSKEY_SECRET),
        _source("misskey", _LATIN_1_SECRET, MISSKEY_SECRET),
        _source("misskey", MISSKEY_SECRET, hook_ids=(HOOK_ID, "other")),
        _source("esa", ESA_SECRET),
        _source("esa", b"an-older-one-55", ESA_SECRET),
    )


def _source(name: str, *secrets: bytes, hook_ids: tuple[str, ...] = ()) -> Source:
    return Source(name, secrets, hook_ids, provider(name).verifier(secrets, hook_ids))


def _accepts(verify: Verifier, delivery: Delivery) -> bool:
    try:
        verify(delivery)
    except VerificationError as error:
        if not error.reason.isprintable():
            raise ValueError("a reason that cannot be printed") from error
        return False
    return True


def _delivery(rng: Random, source: Source) -> Delivery:
    genuine = rng.choice(pool(source.provider, rng.choice(source.secrets))).delivery
    headers, body = list(genuine.headers), genuine.body
    if rng.random() < 0.3:
        body = rng.choice((damaged(rng, body), invented_json(rng), rng.randbytes(rng.randrange(64)), b""))
        if rng.random() < 0.3:
            headers = _signed_anew(headers, body, rng.choice(source.secrets))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        headers = rng.choice(_CHANGES)(rng, headers)
    if rng.random() < 0.002:
        headers += [(rng.choice((b"x-a", _SIGNATURE_NAME)), b"a" * rng.choice((65_536, 1_000_000)))]
        body *= rng.choice((1, 50))
    return Delivery(headers, body)


def _signed_anew(headers: Headers, body: bytes, secret: bytes) -> Headers:
    signature = b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
    return [(name, signature if name.lower() == _SIGNATURE_NAME else value) for name, value in headers]


def _secret_places(headers: Headers) -> list[int]:
    names = _SECRET_NAMES | _ID_NAMES | {_SIGNATURE_NAME}
    return [place for place, (name, _) in enumerate(headers) if name.lower() in names] or [0]


def _with_value(rng: Random, headers: Headers, change: Callable[[bytes], bytes]) -> Headers:
    if not headers:
        return headers
    place = rng.choice(_secret_places(headers))
    name, value = headers[place]
    return [*headers[:place], (name, change(value)), *headers[place + 1 :]]


def _damage_value(rng: Random, headers: Headers) -> Headers:
    return _with_value(rng, headers, lambda value: damaged(rng, value, 2))


def _odd_value(rng: Random, headers: Headers) -> Headers:
    odd: tuple[Callable[[bytes], bytes], ...] = (
        *(
            bytes.upper,
            bytes.lower,
            bytes.swapcase,
            bytes.title,
            lambda value: value[:-1],
            lambda value: value[1:],
        ),
        *(lambda value: value + value, lambda value: b"", lambda value: rng.choice(MORSELS)),
        *(lambda value: b" \t" + value + b" ", lambda value: b"sha256=" + rng.randbytes(32).hex().encode()),
        *(lambda value: value.replace(b"256", b"1"), lambda value: value + b"," + value),
        *(lambda value: b'"' + value + b'"', lambda value: value.decode("latin-1").encode()),
    )
    return _with_value(rng, headers, rng.choice(odd))


def _damage_name(rng: Random, headers: Headers) -> Headers:
    place = rng.choice(_secret_places(headers)) if headers else 0
    odd = (
        bytes.upper,
        bytes.lower,
        bytes.title,
        lambda name: damaged(rng, name, 1),
        lambda name: name + b" ",
    )
    return [
        (rng.choice(odd)(name) if at == place else name, value) for at, (name, value) in enumerate(headers)
    ]


def _drop(rng: Random, headers: Headers) -> Headers:
    place = rng.choice(_secret_places(headers)) if headers else 0
    return headers[:place] + headers[place + 1 :]


def _double(rng: Random, headers: Headers) -> Headers:
    if not headers:
        return headers
    name, value = headers[rng.choice(_secret_places(headers))]
    again = rng.choice((value, value.upper(), damaged(rng, value, 1), b"", b" " + value))
    doubled = [(rng.choice((name, name.upper())), again)]
    return doubled + headers if rng.random() < 0.5 else headers + doubled


def _other_family(rng: Random, headers: Headers) -> Headers:
    family = rng.choice(_FAMILIES)
    return [(name.replace(b"misskey", family).replace(b"esa", family), value) for name, value in headers]


def _add(rng: Random, headers: Headers) -> Headers:
    name = rng.choice((*_SECRET_NAMES, *_ID_NAMES, _SIGNATURE_NAME, b"", b"x-esa-delivery", rng.randbytes(4)))
    value = rng.choice((MISSKEY_SECRET, ESA_SECRET, HOOK_ID.encode(), b"", rng.randbytes(8)))
    return [*headers, (name, value)]


_CHANGES: tuple[Callable[[Random, Headers], Headers], ...] = (
    *(
        _damage_value,
        _damage_value,
        _odd_value,
        _odd_value,
        _damage_name,
        _drop,
        _double,
        _other_family,
        _add,
    ),
)


def _values(headers: Sequence[tuple[bytes, bytes]], names: frozenset[bytes]) -> set[bytes]:
    return {value.strip(_WHITE_SPACE) for name, value in headers if name.lower() in names}


def _in_latin_1(secret: bytes) -> bytes:
    try:
        return secret.decode().encode("latin-1")
    except UnicodeError:
        return secret
