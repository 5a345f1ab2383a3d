"""esa signs the body as it is: `X-Esa-Signature: sha256=` and the HMAC-SHA256 in hexadecimal."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

from hookline.errors import SettingsError, VerificationError
from hookline.providers import Delivery, Verifier

SIGNATURE_HEADER = "x-esa-signature"
_SIGNATURE = re.compile(
    rb"sha256=([0-9a-fA-F]{64})"
)  # esa writes lower case; the same digest in upper case is as good


def make_verifier(secrets: Sequence[bytes], hook_ids: Sequence[str]) -> Verifier:
    """A verifier that accepts a signature made with any of `secrets`.

    Raises SettingsError without a secret or for an empty one, and for `hook_ids`, which esa doesn't have.
    """
    if not secrets or not all(secrets):
        raise SettingsError("an esa source needs a secret, and an empty secret is no secret")
    if hook_ids:
        raise SettingsError("hook_ids is for Misskey alone: esa sends no id of the webhook; remove hook_ids")
    keys = tuple(secrets)

    def verify(delivery: Delivery) -> None:
        sent = _sent_signature(delivery)
        expected = [hmac.digest(key, delivery.body, "sha256").hex().encode() for key in keys]
        matches = [hmac.compare_digest(sent, candidate) for candidate in expected]  # all, in constant time
        if not any(matches):
            raise VerificationError("the signature fits none of this source's secrets and the body")

    return verify


def _sent_signature(delivery: Delivery) -> bytes:
    """The 64 digits, in lower case. Bytes: comparing `str` raises TypeError for other than ASCII."""
    name = SIGNATURE_HEADER.encode()
    values = {value.strip() for header, value in delivery.headers if header.lower() == name}
    if not values:
        raise VerificationError("no X-Esa-Signature header: the webhook has no secret set in esa")
    if len(values) > 1:
        raise VerificationError("several X-Esa-Signature headers, which contradict each other")
    signature = _SIGNATURE.fullmatch(values.pop())
    if signature is None:
        raise VerificationError("the X-Esa-Signature header is not sha256= and 64 hexadecimal digits")
    return signature[1].lower()
