"""The watchman looks every few seconds, and tells people what is wrong.

While Redis is away it goes on with what it can know without, from memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import tzinfo

import structlog

from hookline.errors import SettingsError
from hookline.operations import now_ms
from hookline.settings import Settings
from hookline_console.alarms.book import Book, Kind, News
from hookline_console.alarms.conditions import alarms
from hookline_console.alarms.keeping import Kept, load, save
from hookline_console.alarms.letters import Letters
from hookline_console.alarms.look import Look, Memory, follow
from hookline_console.alarms.message import compose
from hookline_console.alarms.quiet import is_quiet
from hookline_console.alarms.readiness import ask_all, checked_addresses
from hookline_console.alarms.reading import DeadLetters, read_all, with_errors
from hookline_console.alarms.telling import targets
from hookline_console.alarms.turn import AWAY, Turn
from hookline_console.alarms.wording import local
from hookline_console.backend import Backend, open_backend

LOOK_SECONDS = 5.0
LAST_WORDS_SECONDS = 3.0
"""For what is just being told when it stops."""

log = structlog.get_logger(__name__)


def open_watchman(settings: Settings) -> Watchman:
    """A watchman on the Redis of the settings; nothing is sent yet. Raises SettingsError."""
    if not settings.alarms.to:
        raise SettingsError(
            'alarms.to is empty, so nobody would be told; write to = ["env:ALARM_URL"] (see docs/alarms.md)'
        )
    return Watchman(settings, open_backend(settings))


async def watch(watchman: Watchman, stopping: asyncio.Event) -> None:
    """Look and tell until `stopping` is set."""
    log.info("the watchman has begun")
    has_failed = False
    while not stopping.is_set():
        try:
            await watchman.look()
            has_failed = False
        except Exception:  # it has to look again, whatever it was
            if not has_failed:
                log.exception("a look for alarms failed; the next ones are tried")
            has_failed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await stopping.wait()
    await watchman.leave()
    log.info("the watchman has gone")


class Watchman:
    """`look` looks once. `clock` gives ms since 1970, and `zone` says where the clock hangs."""

    def __init__(
        self,
        settings: Settings,
        backend: Backend,
        *,
        clock: Callable[[], int] = now_ms,
        zone: tzinfo | None = None,
    ) -> None:
        self._settings, self._backend, self._clock, self._zone = settings, backend, clock, zone
        self._receivers = checked_addresses(settings.alarms.receivers)
        self._letters = Letters(targets(settings.alarms.to))
        self._turn = Turn(backend)
        self._dead_letters = DeadLetters()
        self._sending: asyncio.Task[None] | None = None
        self._memory: Memory | None = None
        self._stored: dict[str, str] | None = None
        """What stands in Redis; None until it was read."""
        self._book = self._new_book()
        self._saving = asyncio.Lock()

    async def look(self) -> None:
        """Look once, if it is this one's turn; what is due is on its way afterwards."""
        at_ms = self._clock()
        if not await self._turn.take(at_ms):
            await self._forget()
            return
        look = await self._find(at_ms)
        self._memory = follow(self._memory, look)
        found = alarms(look, self._memory, self._settings, self._zone)
        self._book.note(found, at_ms, is_blind=look.figures is None)
        quiet = is_quiet(self._settings.alarms.quiet, local(at_ms, self._zone))
        if news := self._book.due(at_ms, is_quiet=quiet):
            news_in_full, url = await self._explained(news), self._settings.console.public_url
            self._letters.write(compose(news_in_full, at_ms, self._zone, url), at_ms)
            self._book.told(news, at_ms)
        await self._save()
        if self._letters.is_due(at_ms) and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send(at_ms))

    async def sent(self) -> None:
        """Wait until what is being told is told, or was refused."""
        if self._sending:
            await self._sending

    async def leave(self) -> None:
        """Keep what is left to tell, and let another one take over at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self.sent()
        await self._save()
        await self._turn.end()
        self._letters.close()
        self._backend.close()

    def _new_book(self) -> Book:
        return Book(self._settings.alarms.group_seconds, self._settings.alarms.again_hours)

    async def _forget(self) -> None:
        """Another one tells, and goes on with what is in Redis."""
        async with self._saving:
            self._memory, self._stored, self._book = None, None, self._new_book()
            self._letters.on_their_way.clear()

    async def _find(self, at_ms: int) -> Look:
        try:
            if self._stored is None:
                await self._load()
            since_ms = self._memory.deaths_ms if self._memory else None
            counted = {key.removeprefix("dead:"): until for key, until in self._book.counted.items()}
            found = await self._backend.ask(read_all, self._dead_letters, since_ms, counted)
        except AWAY as error:
            known = self._memory.receivers if self._memory else ()
            return Look(
                at_ms, None, str(error) or "it does not answer", await ask_all(self._receivers, known)
            )
        return replace(found, at_ms=at_ms, readiness=await ask_all(self._receivers, ()))

    async def _load(self) -> None:
        """What was kept; what this one has told itself meanwhile, without Redis, is newer."""
        kept, self._stored = await self._backend.ask(load)
        if kept.memory and self._memory:
            self._memory = replace(kept.memory, refusing=self._memory.refusing)
        else:
            self._memory = kept.memory or self._memory
        self._book.take_over(kept.entries, kept.waiting_since_ms)
        self._letters.on_their_way |= kept.letters

    async def _send(self, at_ms: int) -> None:
        """And keep at once what was sent, so that nobody sends it again."""
        await self._letters.send(at_ms)
        await self._save()

    async def _save(self) -> None:
        """As far as Redis takes it; what is not kept now is with the next look."""
        async with self._saving:
            if self._stored is None:
                return
            book, letters = self._book, self._letters.on_their_way
            kept = Kept(self._memory, dict(book.entries), book.waiting_since_ms, dict(letters))
            with contextlib.suppress(*AWAY):
                self._stored = await self._backend.ask(save, self._turn.owner, kept, self._stored)

    async def _explained(self, news: Sequence[News]) -> list[News]:
        """Of actions that fail: with which error."""
        failing = [
            each.alarm
            for each in news
            if each.alarm.action and not each.alarm.happened and each.kind in (Kind.NEW, Kind.STILL)
        ]
        if not failing:
            return list(news)
        try:
            told = {alarm.key: alarm for alarm in await self._backend.ask(with_errors, failing)}
        except AWAY:
            return list(news)
        return [each._replace(alarm=told.get(each.alarm.key, each.alarm)) for each in news]
