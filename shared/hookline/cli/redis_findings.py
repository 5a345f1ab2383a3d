"""Is this a Redis that keeps what it was given? Its version, persistence, memory and role."""

from __future__ import annotations

from typing import Any

import redis

from hookline.cli.availability_findings import (
    configured,
    examine_acknowledgement,
    examine_sentinels,
    examine_tls,
)
from hookline.cli.findings import Finding, doubtful, right, wrong
from hookline.connections import connect, describe
from hookline.redis_server import OLDEST_VERSION
from hookline.settings import Redis as RedisSettings

COMPACT_BYTES = 16_384
"""Up to which size of a field an event is kept in one piece; deploy/redis.conf says the same."""
NEARLY_FULL = 0.8
_NOT_READABLE = "could not be read: this Redis forbids it (managed ones do); ask its provider"


def examine_redis(settings: RedisSettings) -> list[Finding]:
    """What is right and wrong with it. Raises SettingsError where its password cannot be read."""
    with connect(settings, client_name="hookline-check") as client:
        return [
            *examine_sentinels(client, settings),
            *_examine_server(client, settings),
        ]


def _examine_server(client: redis.Redis, settings: RedisSettings) -> list[Finding]:
    address = describe(settings.url)
    try:
        client.ping()
    except redis.AuthenticationError as error:
        return [wrong("redis", f"{address} refuses the password: {error}", "set redis.password or the URL's")]
    except redis.RedisError as error:
        return [wrong("redis", f"{address} does not answer: {error}", "start it, or correct redis.url")]
    info = _info(client)
    if info is None:
        return [right("redis", f"{address} answers"), doubtful("redis", f"INFO {_NOT_READABLE}")]
    return [
        _version(info, address),
        *examine_tls(settings),
        *_role(info),
        _persistence(info),
        *_fsync(client, info),
        _eviction(info),
        _memory(info),
        *_compactness(client),
        *examine_acknowledgement(client, info, settings),
    ]


def _info(client: redis.Redis) -> dict[str, Any] | None:
    try:
        info: dict[str, Any] = client.info()
    except redis.ResponseError:
        return None
    return info


def _version(info: dict[str, Any], address: str) -> Finding:
    told = str(info["redis_version"])
    numbers = tuple(int(part) for part in told.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_VERSION:
        return wrong("redis", f"{address} is version {told}", "Hookline needs Redis 6.2 or later")
    return right("redis", f"{address} answers, version {told}")


def _role(info: dict[str, Any]) -> list[Finding]:
    if info.get("role", "master") == "master":
        return []
    return [wrong("redis role", "this is a replica, which takes no writes", "point redis.url at its primary")]


def _persistence(info: dict[str, Any]) -> Finding:
    subject = "redis appendonly"
    if not info.get("aof_enabled"):
        return wrong(
            subject,
            "no append-only file: deliveries that were answered 202 are lost when Redis restarts",
            "start redis-server with --appendonly yes --appendfsync always",
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return wrong(
            subject, "the last write to the append-only file failed", "look at Redis' disk and its log"
        )
    return right(subject, "yes")


def _fsync(client: redis.Redis, info: dict[str, Any]) -> list[Finding]:
    """Only where there is an append-only file to be fsynced."""
    if not info.get("aof_enabled"):
        return []
    subject = "redis appendfsync"
    value = configured(client, "appendfsync")
    if value is None:
        return [doubtful(subject, _NOT_READABLE)]
    if value == "always":
        return [right(subject, "always")]
    lost = (
        "about a second"
        if value == "everysec"
        else "whatever the system has not written yet (about 30 seconds)"
    )
    return [
        doubtful(
            subject,
            f"{value}: a 202 survives a crash of Redis, but {lost} of them is lost with its machine",
            "set appendfsync always; with group commit that costs next to nothing",
        )
    ]


def _eviction(info: dict[str, Any]) -> Finding:
    subject, policy = "redis maxmemory-policy", info.get("maxmemory_policy")
    if policy == "noeviction":
        return right(subject, "noeviction")
    mend = "set maxmemory-policy noeviction; a full Redis then makes the senders try again"
    if policy is None:
        return doubtful(subject, _NOT_READABLE)
    if info.get("maxmemory"):
        return wrong(subject, f"{policy}: a full Redis throws events away that were answered 202", mend)
    return doubtful(subject, f"{policy}: with a memory limit this Redis would throw events away", mend)


def _memory(info: dict[str, Any]) -> Finding:
    subject, used, limit = "redis memory", int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if not limit:
        return right(subject, f"{_mebibytes(used)} used, no limit")
    told = f"{_mebibytes(used)} used of {_mebibytes(limit)}"
    if used > limit * NEARLY_FULL:
        return doubtful(subject, told, "nearly full: raise maxmemory, or shorten the retention")
    return right(subject, told)


def _compactness(client: redis.Redis) -> list[Finding]:
    """Told only where it could be better: it is no question of right or wrong."""
    name = "hash-max-ziplist-value"
    value = configured(client, name)
    if value is None or int(value) >= COMPACT_BYTES:
        return []
    return [
        doubtful(
            "redis " + name,
            f"{value}: a waiting event takes some 400 bytes more than it has to",
            f"set it to {COMPACT_BYTES}, as deploy/redis.conf does",
        )
    ]


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
