"""Notes since when each source has the secrets that it has, so that the console can tell their age.

What is kept is two bytes of a salted hash: enough to notice a change, too little to confirm a guess.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from pydantic_core import from_json, to_json
from redis.asyncio import Redis as AsyncRedis

from hookline.keys import SECRETS_KEY
from hookline.operations import named, now_ms

PRINT_BYTES = 2
SALT_BYTES = 8


def digest(secrets: Sequence[bytes]) -> bytes:
    """What stands for a source's secrets, in whatever order; it does not leave the process."""
    return b"".join(sorted(blake2b(secret, digest_size=32).digest() for secret in secrets))


async def note_secrets(redis: AsyncRedis, digests: Mapping[str, bytes]) -> None:
    """Write down by source which are new, or others than before."""
    stored = await redis.hgetall(SECRETS_KEY)
    known = named(stored)
    changed: dict[Any, Any] = {
        source: to_json({"print": fingerprint(each, os.urandom(SALT_BYTES)), "since": now_ms()})
        for source, each in digests.items()
        if not _is_same(known.get(source), each)
    }
    if changed:
        await redis.hset(SECRETS_KEY, mapping=changed)


def fingerprint(secrets_digest: bytes, salt: bytes) -> str:
    """The salt, and a short hash with it."""
    hashed = blake2b(secrets_digest, salt=salt, digest_size=PRINT_BYTES)
    return f"{salt.hex()}:{hashed.hexdigest()}"


def _is_same(known: bytes | None, secrets_digest: bytes) -> bool:
    if known is None:
        return False
    noted: str = from_json(known)["print"]
    return noted == fingerprint(secrets_digest, bytes.fromhex(noted.partition(":")[0]))
