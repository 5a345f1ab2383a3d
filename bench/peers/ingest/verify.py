"""What every Python peer checks, as each sender's documentation says it: no more, no less."""

import hmac
import os
from collections.abc import Mapping

ESA_SECRET = os.environ["BENCH_ESA_SECRET"].encode()
MISSKEY_SECRET = os.environ["BENCH_MISSKEY_SECRET"].encode()


def is_from_esa(headers: Mapping[str, str], body: bytes) -> bool:
    """The HMAC-SHA256 of the body, in hexadecimal."""
    expected = "sha256=" + hmac.digest(ESA_SECRET, body, "sha256").hex()
    return hmac.compare_digest(expected.encode(), headers.get("X-Esa-Signature", "").encode())


def is_from_misskey(headers: Mapping[str, str]) -> bool:
    """The secret itself."""
    return hmac.compare_digest(MISSKEY_SECRET, headers.get("X-Misskey-Hook-Secret", "").encode())
