"""Scripts whose answer counts only once a write is as safe as `redis.ack` asks. Still one round trip."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, Literal, Protocol

import redis
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError

from hookline.connections import connect, is_unavailable
from hookline.errors import NotAcknowledgedError, SettingsError
from hookline.settings import Redis as RedisSettings

ACKNOWLEDGED_KEY = "hookline:acknowledged"
SHARE_OF_THE_DEADLINE = 0.8
"""Redis gives up waiting a little before we do: then it can still say what is missing."""
NO_DISK = (
    'redis.ack = "disk" needs Redis 7.2 or later with appendonly yes (on an older one set "memory": '
    "with appendfsync always that is the disk, too)"
)


class Script(Protocol):
    """A script as `Redis.register_script` gives it."""

    def __call__(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """What the script answers."""


class AsyncScript(Protocol):
    """A script as `redis.asyncio.Redis.register_script` gives it."""

    def __call__(self, keys: Sequence[Any], args: Sequence[Any]) -> Awaitable[Any]:
        """What the script answers."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who must have a write before it counts as done."""

    by: Literal["memory", "disk", "replica"] = "memory"
    replicas: int = 1
    timeout_seconds: float = 3.0

    @classmethod
    def of(cls, settings: RedisSettings) -> Acknowledgement:
        """What the settings ask for."""
        return cls(settings.ack, settings.ack_replicas, settings.commit_timeout_seconds)

    def command(self) -> tuple[str | int, ...]:
        """The command that waits for it, and says who has it."""
        wait_ms = max(1, int(self.timeout_seconds * SHARE_OF_THE_DEADLINE * 1000))
        return ("WAITAOF", 1, 0, wait_ms) if self.by == "disk" else ("WAIT", self.replicas, wait_ms)

    def check(self, answer: Any) -> None:
        """Raise NotAcknowledgedError unless Redis's answer to that command is enough."""
        if isinstance(answer, Exception):
            raise NotAcknowledgedError(self._refused(answer)) from answer
        if self.by == "disk" and answer[0] < 1:
            raise NotAcknowledgedError("the disk of Redis did not have it in time")
        if self.by == "replica" and answer < self.replicas:
            raise NotAcknowledgedError(
                f"{answer} of {self.replicas} replicas had it in time (redis.ack_replicas)"
            )

    def _refused(self, error: Exception) -> str:
        if self.by == "disk":
            return f"{NO_DISK}, and this one says: {error}"
        return f'redis.ack = "replica" cannot be kept, since Redis says: {error}'


def check_acknowledgement(settings: RedisSettings) -> None:
    """Raise SettingsError when Redis can be asked and cannot do what `redis.ack` says."""
    problem = acknowledgement_problem(settings)
    if problem:
        raise SettingsError(problem)


def acknowledgement_problem(settings: RedisSettings) -> str | None:
    """Why every commit would be refused on this Redis; None also while it is away or a replica."""
    if settings.ack != "disk":
        return None
    with connect(settings) as client:
        try:
            client.execute_command("WAITAOF", 1, 0, 1)
        except redis.ResponseError as error:
            if is_unavailable(error) or "replica" in str(error):
                return None
            return f"{NO_DISK}, and this one says: {error}"
        except redis.RedisError:
            return None
    return None


def acknowledged_script(client: Redis, text: str, ack: Acknowledgement) -> Script:
    """The script, to be called with keys and args; raises NotAcknowledgedError. "memory" costs nothing."""
    return client.register_script(text) if ack.by == "memory" else _Acknowledged(client, text, ack)


def acknowledged_async_script(client: AsyncRedis, text: str, ack: Acknowledgement) -> AsyncScript:
    """As above, for asyncio."""
    return client.register_script(text) if ack.by == "memory" else _AsyncAcknowledged(client, text, ack)


class _Acknowledged:
    def __init__(self, client: Redis, text: str, ack: Acknowledgement) -> None:
        self._client, self._text, self._ack = client, text, ack
        self._sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        try:
            return self._send(keys, args)
        except NoScriptError:  # a server that was restarted, or has only just become the primary
            self._client.script_load(self._text)
            return self._send(keys, args)

    def _send(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        with self._client.pipeline(transaction=False) as pipeline:
            for command in _commands(self._sha, keys, args, self._ack):
                pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
            answer, _, acknowledged = pipeline.execute(raise_on_error=False)
        _raise(answer)
        try:
            self._ack.check(acknowledged)
        except NotAcknowledgedError:  # perhaps it is cut off, and another is the primary
            self._client.connection_pool.disconnect(inuse_connections=False)
            raise
        return answer


class _AsyncAcknowledged:
    def __init__(self, client: AsyncRedis, text: str, ack: Acknowledgement) -> None:
        self._client, self._text, self._ack = client, text, ack
        self._sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        try:
            return await self._send(keys, args)
        except NoScriptError:  # a server that was restarted, or has only just become the primary
            await self._client.script_load(self._text)
            return await self._send(keys, args)

    async def _send(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        async with self._client.pipeline(transaction=False) as pipeline:
            for command in _commands(self._sha, keys, args, self._ack):
                pipeline.execute_command(*command)
            answer, _, acknowledged = await pipeline.execute(raise_on_error=False)
        _raise(answer)
        try:
            self._ack.check(acknowledged)
        except NotAcknowledgedError:  # perhaps it is cut off, and another is the primary
            await self._client.connection_pool.disconnect(inuse_connections=False)
            raise
        return answer


def _commands(
    sha: str, keys: Sequence[Any], args: Sequence[Any], ack: Acknowledgement
) -> tuple[tuple[Any, ...], ...]:
    """The script, a write, and waiting for both.

    Redis waits for what the connection itself has written. A script that is sent again finds everything
    done and writes nothing, and would be told on a new connection that there is nothing to wait for.
    """
    return ("EVALSHA", sha, len(keys), *keys, *args), ("SET", ACKNOWLEDGED_KEY, 1), ack.command()


def _raise(answer: Any) -> None:
    if isinstance(answer, Exception):
        raise answer
