"""Messages on their way: each is tried again until everybody has it, or for a day."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from hookline_console.alarms.message import Message
from hookline_console.alarms.telling import Target

FIRST_PAUSE_MS = 10_000
LONGEST_PAUSE_MS = 10 * 60_000
GIVEN_UP_MS = 24 * 3_600_000
THREADS = 4

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Letter:
    """A message and those who do not have it yet, by the reference to their URL."""

    id: str
    message: Message
    written_ms: int
    left: list[str]
    tries: int = 0
    next_ms: int = 0


class Letters:
    """All that are on their way. `send` sends those that are due."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self.on_their_way: dict[str, Letter] = {}
        self._targets = {target.reference: target for target in targets}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="telling")

    def write(self, message: Message, at_ms: int) -> None:
        """One to everybody."""
        letter = Letter(uuid.uuid4().hex, message, at_ms, list(self._targets))
        self.on_their_way[letter.id] = letter

    def is_due(self, at_ms: int) -> bool:
        """Whether there is any to send now."""
        return any(letter.next_ms <= at_ms for letter in self.on_their_way.values())

    async def send(self, at_ms: int) -> None:
        """Send those that are due, the oldest first."""
        for letter in sorted(self.on_their_way.values(), key=lambda letter: letter.written_ms):
            if letter.next_ms <= at_ms:
                await self._send(letter, at_ms)

    def close(self) -> None:
        """Begin none any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _send(self, letter: Letter, at_ms: int) -> None:
        targets = [self._targets[each] for each in letter.left if each in self._targets]
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(
            *(loop.run_in_executor(self._threads, target.tell, letter.message) for target in targets)
        )
        refused = {target: reason for target, reason in zip(targets, answers, strict=True) if reason}
        if took := [target.reference for target in targets if target not in refused]:
            log.info("an alarm was told", title=letter.message.title, to=took)
        letter.left, letter.tries = [target.reference for target in refused], letter.tries + 1
        pause_ms = min(FIRST_PAUSE_MS * 2 ** (letter.tries - 1), LONGEST_PAUSE_MS)
        letter.next_ms = at_ms + pause_ms
        is_given_up = at_ms - letter.written_ms >= GIVEN_UP_MS
        for target, reason in refused.items():
            told = {"to": target.reference, "service": target.service, "reason": reason}
            if is_given_up:
                log.error("an alarm could not be told and is given up", title=letter.message.title, **told)
            else:
                log.warning(
                    "an alarm could not be told; it is tried again", in_seconds=pause_ms // 1000, **told
                )
        if not letter.left or is_given_up:
            self.on_their_way.pop(letter.id, None)
