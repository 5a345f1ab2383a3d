"""Logins: a random token in a cookie, and in Redis no more than its keyed hash, which expires."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hookline.keys import SESSION_PREFIX
from hookline.operations import named, now_ms
from hookline.store import Store
from hookline_console.backend import Backend
from hookline_console.passwords import Password

TOKEN_BYTES = 32
_SAID = "said"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in; by a bearer token if `token` is empty."""

    token: str = ""
    has_said: bool = False
    """Is there something to be told on the next page?"""

    @property
    def csrf(self) -> str:
        """What every form of this session carries, and nobody else knows."""
        return hashlib.sha256(b"csrf:" + self.token.encode()).hexdigest() if self.token else ""


class Sessions:
    """The sessions in Redis. A new password ends them all, since their keys are signed with it."""

    def __init__(self, backend: Backend, password: Password, hours: float) -> None:
        self._backend = backend
        self._sign: Callable[[str], str] = password.sign
        self.seconds = max(1, int(hours * 3600))

    async def begin(self) -> Session:
        """Log somebody in, under a token that nobody had before."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await self._backend.ask(_begin, self._key(token), self.seconds)
        return Session(token)

    async def find(self, token: str) -> Session | None:
        """The session of this token, as long as it lasts."""
        fields = await self._backend.ask(_find, self._key(token)) if token else {}
        return Session(token, has_said=_SAID in fields) if fields else None

    async def end(self, session: Session) -> None:
        """Log out."""
        await self._backend.ask(_end, self._key(session.token))

    async def say(self, session: Session, sentence: str) -> None:
        """Have a sentence told on the next page that this session sees."""
        await self._backend.ask(_say, self._key(session.token), sentence)

    async def said(self, session: Session) -> list[str]:
        """What is to be told now; it is told once."""
        return await self._backend.ask(_said, self._key(session.token)) if session.has_said else []

    def _key(self, token: str) -> str:
        return SESSION_PREFIX + self._sign(token)


def _begin(store: Store, key: str, seconds: int) -> None:
    with store.redis.pipeline() as pipeline:
        pipeline.hset(key, "since", now_ms())
        pipeline.expire(key, seconds)
        pipeline.execute()


def _find(store: Store, key: str) -> dict[str, bytes]:
    return named(store.redis.hgetall(key))


def _end(store: Store, key: str) -> None:
    store.redis.delete(key)


def _say(store: Store, key: str, sentence: str) -> None:
    said = json.dumps([*_kept(store.redis.hget(key, _SAID)), sentence])
    with store.redis.pipeline() as pipeline:
        pipeline.hset(key, _SAID, said)
        pipeline.ttl(key)
        _, left = pipeline.execute()
    if left < 0:  # it has ended meanwhile, and what was made anew would never expire
        store.redis.delete(key)


def _said(store: Store, key: str) -> list[str]:
    with store.redis.pipeline() as pipeline:
        pipeline.hget(key, _SAID)
        pipeline.hdel(key, _SAID)
        kept, _ = pipeline.execute()
    return _kept(kept)


def _kept(kept: bytes | str | None) -> list[str]:
    return [str(each) for each in json.loads(kept)] if kept else []
