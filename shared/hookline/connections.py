"""Connections to Redis that fail within their deadline, and which failures mean "try again later"."""

from __future__ import annotations

import re
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.retry import Retry
from redis.typing import EncodableT
from redis.utils import HIREDIS_AVAILABLE

from hookline.demotion import BEFORE_THE_CODE, AsyncLeavesTheDemoted, LeavesTheDemoted
from hookline.errors import NotAcknowledgedError, SettingsError
from hookline.primary import async_primary_pool, primary_pool
from hookline.redis_url import checked_url, describe, passwords, sentinel_url
from hookline.references import keep_secret, resolve_secret
from hookline.settings import Redis as RedisSettings

__all__ = ["UNAVAILABLE", "connect", "connect_async", "describe", "is_unavailable"]

CONNECT_TIMEOUT_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 30
"""A connection that was idle for longer is tried with a PING first: firewalls drop idle ones silently."""

UNAVAILABLE: tuple[type[Exception], ...] = (
    redis.ConnectionError,  # also: loading, too many clients, a password that someone is just changing,
    # and Sentinel away or without a primary
    redis.TimeoutError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,  # also: a replica whose master is down
    redis.exceptions.TryAgainError,
    NotAcknowledgedError,
)
"""What is raised when Redis is away, loading, full or read-only; `is_unavailable` knows of more."""

_TRANSIENT_CODES = (
    r"(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNBLOCKED|UNKILLABLE)"
)
_TRANSIENT = re.compile(f"{BEFORE_THE_CODE}{_TRANSIENT_CODES} ", re.DOTALL)


def connect(
    settings: RedisSettings,
    *,
    client_name: str = "hookline",
    response_timeout_seconds: float | None = None,
    reconnects: int = 1,
) -> redis.Redis:
    """A client with a pool of its own; nothing is sent before the first command.

    A command fails when it has no answer after `response_timeout_seconds` (by default, the settings'
    commit timeout). A connection that turns out to be broken is opened anew `reconnects` times, at
    once, and the command sent again; after a time-out nothing is repeated. Raises SettingsError.
    """
    options = _options(settings, client_name, response_timeout_seconds)
    retry = Retry(NoBackoff(), reconnects, supported_errors=(redis.ConnectionError,))
    sentinels = sentinel_url(settings.url)
    if sentinels:
        pool = primary_pool(sentinels, {**options, "retry": retry}, _sentinel_password(settings))
        client = redis.Redis.from_pool(pool)
    else:
        client = redis.Redis.from_url(settings.url, retry=retry, **options)
    _add_to_connections(client, LeavesTheDemoted)
    return client


def connect_async(
    settings: RedisSettings,
    *,
    client_name: str = "hookline",
    response_timeout_seconds: float | None = None,
    reconnects: int = 1,
) -> redis.asyncio.Redis:
    """As `connect`, for asyncio. Close it with `await client.aclose()`."""
    options = _options(settings, client_name, response_timeout_seconds)
    # redis-py's asyncio client tries a connection with a PING already while it is made, and a PING that is
    # refused (no password, still loading) makes the next one, without end.
    options["health_check_interval"] = 0
    retry = AsyncRetry(NoBackoff(), reconnects, supported_errors=(redis.ConnectionError,))
    sentinels = sentinel_url(settings.url)
    if sentinels:
        pool = async_primary_pool(sentinels, {**options, "retry": retry}, _sentinel_password(settings))
        client = redis.asyncio.Redis.from_pool(pool)
    else:
        client = redis.asyncio.Redis.from_url(settings.url, retry=retry, **options)
    _add_to_connections(client, AsyncLeavesTheDemoted, *([_PackedByHiredis] if HIREDIS_AVAILABLE else []))
    return client


class _PackedByHiredis:
    """redis-py lets hiredis pack commands in its blocking client alone; for a group of 64 that is 0.4 ms."""

    _packer: Any = HiredisRespSerializer()  # Any, since redis-py declares its arguments to be lists

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        packed: list[bytes] = self._packer.pack(*args)
        return packed


def is_unavailable(error: BaseException) -> bool:
    """Is Redis away, loading, full, read-only or unable to persist, so that the same may succeed later?"""
    if isinstance(error, UNAVAILABLE):
        return True
    return isinstance(error, redis.ResponseError) and _TRANSIENT.match(str(error)) is not None


def _options(
    settings: RedisSettings, client_name: str, response_timeout_seconds: float | None
) -> dict[str, Any]:
    """What redis-py is told beside the URL; every default of its that could break a deadline is named."""
    response_timeout = response_timeout_seconds or settings.commit_timeout_seconds
    options: dict[str, Any] = {
        "client_name": client_name,
        "decode_responses": False,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "protocol": 2,
        "socket_connect_timeout": min(CONNECT_TIMEOUT_SECONDS, response_timeout),
        "socket_timeout": response_timeout,
    }
    try:
        in_url = passwords(checked_url(settings.url))
    except ValueError as error:
        raise SettingsError(f"redis.url: {error}") from None
    for password in in_url:
        keep_secret(password)
    if settings.sentinel_password and not sentinel_url(settings.url):
        raise SettingsError(
            "redis.sentinel_password is set and redis.url names no sentinels; write "
            "redis+sentinel://host1:26379,host2:26379/service/0, or remove it"
        )
    if settings.password:
        if in_url:
            raise SettingsError("redis.url has a password and redis.password is set too; remove one")
        options["password"] = resolve_secret(settings.password).decode("utf-8", "surrogateescape")
    return options


def _sentinel_password(settings: RedisSettings) -> str | None:
    if settings.sentinel_password is None:
        return None
    return resolve_secret(settings.sentinel_password).decode("utf-8", "surrogateescape")


def _add_to_connections(client: redis.Redis | redis.asyncio.Redis, *mixins: type) -> None:
    pool = client.connection_pool
    pool.connection_class = type("HooklineConnection", (*mixins, pool.connection_class), {})
