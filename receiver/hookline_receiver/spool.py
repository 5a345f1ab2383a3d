"""The spool, for the event loop: its disk is waited for by one thread, and what it refuses is never an error.

A disk that hangs holds up neither the loop nor, for longer than `WRITE_SECONDS`, a sender.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from hookline.errors import NotCommittedError
from hookline.intake import RawEvent
from hookline.spool_folder import Spooled
from hookline_receiver.spool_file import SpoolFile
from hookline_receiver.spool_record import Record
from hookline_receiver.waiting import Outcome

_T = TypeVar("_T")

WRITE_SECONDS = 4.0
"""How long a sender waits for the disk. Where it hangs, all others are refused at once."""

log = structlog.get_logger(__name__)


class SpoolError(Exception):
    """Raised when the spool cannot be read or written now."""


class Spool:
    """Keeps what Redis doesn't take."""

    def __init__(self, folder: Path, max_bytes: int, *, write_seconds: float = WRITE_SECONDS) -> None:
        self._file = SpoolFile(folder, max_bytes)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        self._write_seconds = write_seconds
        self._hung: Future[None] | None = None
        self._is_refusing = False
        self._without_room: set[str] = set()

    async def keep(self, events: Sequence[RawEvent]) -> list[Outcome]:
        """For each event its id, once it is on the disk, or why it isn't. Never raises."""
        try:
            kept = await self._append(events)
        except Exception as error:  # whatever the disk says, the sender must be told to try again
            self._tell_refusing(error)
            return [NotCommittedError("the spool could not be written") for _ in events]
        self._tell_room(events, kept)
        full = NotCommittedError("the spool is full")
        return [event.id if is_kept else full for event, is_kept in zip(events, kept, strict=True)]

    async def oldest(self, held: Collection[str], left: Collection[int] = ()) -> list[Record]:
        """The next group, without what is of sources that are held, or left; raises SpoolError."""
        return await self._call(lambda: self._file.oldest(held, left))

    async def forget(self, records: Sequence[Record]) -> None:
        """Remove these; raises SpoolError."""
        await self._call(lambda: self._file.forget(records))

    async def totals(self) -> Spooled:
        """How much waits; raises SpoolError."""
        return await self._call(self._file.totals)

    async def takes(self) -> bool:
        """Whether an event would be kept now."""
        try:
            return await self._call(self._file.takes)
        except SpoolError:
            return False

    async def lock_drain(self) -> bool:
        """Whether this process is the one that drains, until `unlock_drain`; raises SpoolError."""
        return await self._call(self._file.lock_drain)

    async def unlock_drain(self) -> None:
        """Let another process drain."""
        await self._call(self._file.unlock_drain)

    async def shrink(self) -> None:
        """Give the disk back what an empty spool no longer needs; raises SpoolError."""
        await self._call(self._file.shrink)

    async def close(self) -> None:
        """End the thread."""
        with contextlib.suppress(SpoolError):
            await self._call(self._file.close)
        self._thread.shutdown(wait=False)

    async def _append(self, events: Sequence[RawEvent]) -> list[bool]:
        if self._hung is not None and not self._hung.done():
            raise SpoolError("the disk has not answered for seconds")
        batch = [events]  # not held on to by what is still queued when nobody waits for it any more
        try:
            async with asyncio.timeout(self._write_seconds):
                return await asyncio.wrap_future(self._thread.submit(lambda: self._file.append(batch.pop())))
        except TimeoutError:
            batch.clear()
            self._hung = self._thread.submit(lambda: None)  # is done once the thread is free again
            raise

    async def _call(self, operation: Callable[[], _T]) -> _T:
        try:
            async with asyncio.timeout(self._write_seconds):
                return await asyncio.wrap_future(self._thread.submit(operation))
        except Exception as error:  # OSError and sqlite3.Error, or a mistake of ours: not now, in any case
            raise SpoolError(f"{type(error).__name__}: {error}") from error

    def _tell_refusing(self, error: Exception) -> None:
        """Once, not for every group, until one is kept again."""
        if not self._is_refusing:
            self._is_refusing = True
            told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            log.error("the spool cannot be written; senders are told to try again", error=told)

    def _tell_room(self, events: Sequence[RawEvent], kept: Sequence[bool]) -> None:
        """Once for each source that finds no room, until it does again."""
        if self._is_refusing:
            self._is_refusing = False
            log.info("the spool is written again")
        for event, is_kept in zip(events, kept, strict=True):
            if is_kept:
                self._without_room.discard(event.source)
            elif event.source not in self._without_room:
                self._without_room.add(event.source)
                log.error(
                    "a source has used up its part of the spool; its senders are told to try again",
                    source=event.source,
                )
