"""One reader for all viewers: Redis is asked while somebody watches, and what it says goes to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from hookline.connections import is_unavailable

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Away:
    """Told in the place of a reading when Redis did not answer."""

    reason: str


class Lookout(Generic[T]):
    """Calls `read` every `interval_seconds`, from the first viewer until the last one has gone.

    `most_waiting` readings wait for a viewer who is slow: 1 where only the latest counts.
    """

    def __init__(
        self, read: Callable[[], Awaitable[T]], interval_seconds: float, *, most_waiting: int = 1
    ) -> None:
        self._read, self._interval_seconds, self._most_waiting = read, interval_seconds, most_waiting
        self._viewers: set[asyncio.Queue[T | Away]] = set()
        self._task: asyncio.Task[None] | None = None

    async def readings(self) -> AsyncGenerator[T | Away, None]:
        """Every reading from now on. Close it (`contextlib.aclosing`) to be no viewer any more."""
        viewer: asyncio.Queue[T | Away] = asyncio.Queue(self._most_waiting)
        self._viewers.add(viewer)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            while True:
                yield await viewer.get()
        finally:
            self._viewers.discard(viewer)
            if not self._viewers and self._task:
                self._task.cancel()
                self._task = None

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            self._tell(await self._reading())
            await asyncio.sleep(max(0.0, self._interval_seconds - (loop.time() - began_at)))

    async def _reading(self) -> T | Away:
        try:
            return await self._read()
        except Exception as error:  # whatever it is must not end what others watch
            if not isinstance(error, TimeoutError) and not is_unavailable(error):
                log.exception("a live page could not be read")
            return Away(str(error) or type(error).__name__)

    def _tell(self, reading: T | Away) -> None:
        for viewer in self._viewers:
            if viewer.full():
                viewer.get_nowait()
            viewer.put_nowait(reading)
