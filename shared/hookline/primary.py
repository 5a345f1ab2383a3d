"""Connections to the primary that Sentinel names: for each new one it is asked anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from hookline.redis_url import SentinelUrl

SENTINEL_TIMEOUT_SECONDS = 0.5
"""For how long one sentinel may keep us waiting, where the deadline is not so short that it is less."""


def primary_pool(
    url: SentinelUrl, options: Mapping[str, Any], sentinel_password: str | None
) -> SentinelConnectionPool:
    """Connections to the primary of the moment. The options have redis-py's names."""
    in_url = _in_url(url)
    told = _for_sentinels(url, options, in_url, sentinel_password, Retry)
    sentinels = _Sentinels(url.sentinels, sentinel_kwargs=told)  # type: ignore[no-untyped-call]
    return _PrimaryPool(url.service, sentinels, **{**options, **in_url})


def async_primary_pool(
    url: SentinelUrl, options: Mapping[str, Any], sentinel_password: str | None
) -> AsyncSentinelConnectionPool:
    """As `primary_pool`, for asyncio."""
    in_url = _in_url(url)
    told = _for_sentinels(url, options, in_url, sentinel_password, AsyncRetry)
    sentinels = _AsyncSentinels(url.sentinels, sentinel_kwargs=told)  # type: ignore[no-untyped-call]
    return _AsyncPrimaryPool(url.service, sentinels, **{**options, **in_url})


def sentinels_of(client: redis.Redis) -> list[tuple[str, redis.Redis]]:
    """The sentinels that this client asks, each with its address, in the order of the URL."""
    pool = client.connection_pool
    if not isinstance(pool, SentinelConnectionPool):
        return []
    return [(_address(each), each) for each in pool.sentinel_manager.sentinels]


class _PrimaryPool(SentinelConnectionPool):
    """Its sentinels' connections end with its own, which redis-py leaves to whoever made them."""

    def __init__(self, service: str, sentinels: Sentinel, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self.connection_class = type("PrimaryConnection", (_Connection, self.connection_class), {})

    def close(self) -> None:
        super().close()
        self.sentinel_manager.close()


class _AsyncPrimaryPool(AsyncSentinelConnectionPool):
    """As above, for asyncio."""

    def __init__(self, service: str, sentinels: AsyncSentinel, **options: Any) -> None:
        super().__init__(service, sentinels, **options)  # type: ignore[no-untyped-call]
        self.connection_class = type("PrimaryConnection", (_AsyncConnection, self.connection_class), {})

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


class _Connection:
    """What redis-py's connection through Sentinel does otherwise."""

    def connect(self: Any) -> None:
        """Once: the command is tried again already, and asking all sentinels four times takes too long."""
        self._connect_retry()

    def read_response(self: Any, *arguments: Any, **options: Any) -> Any:
        """Without keeping the connection after a time-out: the late answer would be taken for another's."""
        return super().read_response(*arguments, **{"disconnect_on_error": True, **options})  # type: ignore[misc]


class _AsyncConnection:
    """As above; after a time-out it does the right thing."""

    async def connect(self: Any) -> None:
        """As above."""
        await self._connect_retry()


class _Sentinels(Sentinel):
    """Asks the one first that knew last time. redis-py's way forgets some when two threads ask at once."""

    _knew_last: redis.Redis | None = None

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address; MasterNotFoundError says what each sentinel said."""
        said = []
        for sentinel in sorted(self.sentinels, key=lambda each: each is not self._knew_last):
            try:
                state = _state(sentinel.sentinel_masters(), service_name)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                said.append(_said(sentinel, str(error)))
                continue
            if state and _is_up(state):
                self._knew_last = sentinel
                return state["ip"], state["port"]
            said.append(_said(sentinel, _why_not(service_name, state)))
        raise MasterNotFoundError(_nobody_knows(service_name, said))


class _AsyncSentinels(AsyncSentinel):
    """As above, for asyncio, where two tasks may ask at once."""

    _knew_last: redis.asyncio.Redis | None = None

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """As above."""
        said = []
        for sentinel in sorted(self.sentinels, key=lambda each: each is not self._knew_last):
            try:
                state = _state(await sentinel.sentinel_masters(), service_name)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                said.append(_said(sentinel, str(error)))
                continue
            if state and _is_up(state):
                self._knew_last = sentinel
                return state["ip"], state["port"]
            said.append(_said(sentinel, _why_not(service_name, state)))
        raise AsyncMasterNotFoundError(_nobody_knows(service_name, said))


def _in_url(url: SentinelUrl) -> dict[str, Any]:
    """What the URL says beside the sentinels, as redis-py wants to be told it."""
    told: dict[str, Any] = {**parse_url(url.redis_url)}  # type: ignore[no-untyped-call]
    del told["host"]
    return {**told, "ssl": True} if told.pop("connection_class", None) else told


def _for_sentinels(
    url: SentinelUrl,
    options: Mapping[str, Any],
    in_url: Mapping[str, Any],
    password: str | None,
    retry: type[Retry] | type[AsyncRetry],
) -> dict[str, Any]:
    """All sentinels in a row may take half of the deadline: one that stands still must not use it up."""
    longest = options["socket_timeout"] / 2 / len(url.sentinels)
    timeout = min(SENTINEL_TIMEOUT_SECONDS, longest)
    return {
        **{name: value for name, value in in_url.items() if name.startswith("ssl")},
        "client_name": options["client_name"],
        "password": password,
        "protocol": options["protocol"],
        "retry": retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "socket_connect_timeout": timeout,
        "socket_timeout": timeout,
    }


def _state(masters: Any, service: str) -> dict[str, Any] | None:
    """What a sentinel knows of this service's primary."""
    known: dict[str, dict[str, Any]] = masters
    return known.get(service)


def _is_up(state: Mapping[str, Any]) -> bool:
    return bool(state["is_master"]) and not state["is_sdown"] and not state["is_odown"]


def _why_not(service: str, state: Mapping[str, Any] | None) -> str:
    return "its primary is down" if state else f"watches no {service!r}"


def _said(sentinel: Any, reason: str) -> str:
    return f"{_address(sentinel)}: {reason}"


def _address(sentinel: Any) -> str:
    where = sentinel.connection_pool.connection_kwargs
    return f"{where['host']}:{where['port']}"


def _nobody_knows(service: str, said: Sequence[str]) -> str:
    return f"no sentinel knows a primary for {service!r} ({'; '.join(said)})"
