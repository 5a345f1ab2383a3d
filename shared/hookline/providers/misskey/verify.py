"""Misskey sends the secret itself in a header, and signs nothing: verifying is comparing."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from hookline.errors import SettingsError, VerificationError
from hookline.providers import Delivery, Verifier

_FAMILIES = ("misskey", "firefish", "calckey", "iceshrimp")  # the forks that renamed the headers
SECRET_HEADERS = frozenset(f"x-{family}-hook-secret" for family in _FAMILIES)
_SECRET_HEADERS = frozenset(name.encode() for name in SECRET_HEADERS)
_HOOK_ID_HEADERS = frozenset(f"x-{family}-hook-id".encode() for family in _FAMILIES)
HOST_HEADERS = frozenset(f"x-{family}-host".encode() for family in _FAMILIES)


def header_values(delivery: Delivery, names: frozenset[bytes]) -> set[bytes]:
    """The distinct values of the headers of these lower-case names, outer white space stripped."""
    return {value.strip() for name, value in delivery.headers if name.lower() in names}


def make_verifier(secrets: Sequence[bytes], hook_ids: Sequence[str]) -> Verifier:
    """A verifier that accepts any of `secrets` and, where given, only webhooks of these `hook_ids`.

    Raises SettingsError without a secret, or for an empty one: whoever sends nothing would be let in.
    """
    if not secrets or not all(secret.strip() for secret in secrets):
        raise SettingsError("a misskey source needs a secret, and an empty secret is no secret")
    # Digests are of one size, so that the comparison's time tells nothing about a secret's length.
    accepted = [sha256(spelling).digest() for secret in secrets for spelling in _spellings(secret.strip())]
    accepted_ids = frozenset(hook_id.encode() for hook_id in hook_ids)

    def verify(delivery: Delivery) -> None:
        _check_secret(delivery, accepted)
        if accepted_ids:
            _check_hook_id(delivery, accepted_ids)

    return verify


def _spellings(secret: bytes) -> set[bytes]:
    """How a secret that is configured in UTF-8 may come: Node sends é as the one byte of Latin-1."""
    try:
        return {secret, secret.decode().encode("latin-1")}
    except UnicodeError:
        return {secret}


def _check_secret(delivery: Delivery, accepted: Sequence[bytes]) -> None:
    values = header_values(delivery, _SECRET_HEADERS)
    if not values:
        raise VerificationError("no X-Misskey-Hook-Secret header (nor that of a fork)")
    if len(values) > 1:
        raise VerificationError("several hook secret headers, which contradict each other")
    (value,) = values
    if not value:
        raise VerificationError("the hook secret header is empty: the webhook has no secret set in Misskey")
    digest = sha256(value).digest()
    matches = [hmac.compare_digest(digest, candidate) for candidate in accepted]  # all, in constant time
    if not any(matches):
        raise VerificationError("the hook secret is none of this source's secrets")


def _check_hook_id(delivery: Delivery, accepted_ids: frozenset[bytes]) -> None:
    values = header_values(delivery, _HOOK_ID_HEADERS)
    if not values:
        raise VerificationError("no X-Misskey-Hook-Id header (nor that of a fork), and hook_ids is set")
    if len(values) > 1:
        raise VerificationError("several hook id headers, which contradict each other")
    if not values <= accepted_ids:
        raise VerificationError("the hook id is none of this source's hook_ids")
