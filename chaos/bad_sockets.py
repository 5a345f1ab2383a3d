"""Bad requests at the socket of a real receiver: each is answered by the table, or ended; nothing stays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from chaos.answers import Answer, is_whole, read_answers
from chaos.bad_requests import AREA, PATHS, BadRequest, genuine, make
from chaos.cases import Failure, Tally, case_random, resident_bytes
from chaos.real_receiver import RealReceiver, real_receiver

ANSWERS = frozenset({202, 400, 401, 404, 405, 413})
"""Those of the table in docs/receiver.md, less 503: Redis is well all the while."""
PATIENCE_SECONDS = 30.0
_IMPATIENCE_SECONDS = 0.05
"""What is incomplete has no answer; after so long nothing more is sent, and the receiver must end it."""
_AT_ONCE = 48
_SLOW_AT_ONCE = 4
_SLOW_PAUSE_SECONDS = 0.02
_GENUINE_EVERY = 40
_WARM_UP_SHARE = 0.25


class _Until(Enum):
    """How long a connection is kept open from our side. Only the last waits for the receiver to end it."""

    GLANCED = "an answer has come, or nothing for a moment"
    SILENT = "nothing comes for a moment"
    ANSWERED = "an answer has come"
    ENDED = "the receiver ends it"


_UNTIL_WEIGHTS = (79.5, 20, 0, 0.5)


@dataclass(slots=True)
class SocketTally(Tally):
    """What else is counted at the socket."""

    genuine: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    exit_status: int | None = None


def run_sockets(seed: int, indexes: Iterable[int]) -> SocketTally:
    """Send these cases to a receiver of their own."""
    with real_receiver() as receiver:
        attack = _Attack(receiver, seed, list(indexes))
        asyncio.run(attack.run())
        tally = attack.tally
        if forged := receiver.forged():
            tally.wrong["forged"] = tally.wrong.get("forged", 0) + forged
        tally.exit_status = receiver.service.stop()
        for index, complaint in receiver.complaints:
            what = f"the receiver's log, at this case or shortly before: {complaint}"
            tally.fail(Failure(AREA, seed, index, "complaint", what, b""))
    return tally


class _Attack:
    """All the cases of one run, over many connections at once."""

    def __init__(self, receiver: RealReceiver, seed: int, indexes: list[int]) -> None:
        self._receiver, self._seed = receiver, seed
        self._waiting: Iterator[int] = iter(indexes)
        self._warm_up_cases = int(len(indexes) * _WARM_UP_SHARE)
        self._resident = 0
        self._is_over = False
        self.tally = SocketTally()

    async def run(self) -> None:
        """Send everything; the slow ones are sent beside it, for as long as it takes."""
        pid = self._receiver.service.pid
        async with asyncio.TaskGroup() as slow:
            for number in range(_SLOW_AT_ONCE):
                slow.create_task(self._send_slowly(number))
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(self._send())
            self._is_over = True
        self.tally.growth_bytes = max(0, resident_bytes(pid) - self._resident)

    async def _send(self) -> None:
        for index in self._waiting:
            if self._receiver.service.exit_status is not None:
                self._fail("crash", index, "the receiver is gone", b"")
                return
            self._receiver.latest = index
            rng = case_random(AREA, self._seed, index)
            await self._try(index, make(rng), rng.choices(tuple(_Until), _UNTIL_WEIGHTS)[0])
            if index % _GENUINE_EVERY == 0:
                await self._try_genuine(index, genuine(rng))
            self.tally.cases += 1
            if self.tally.cases == self._warm_up_cases:
                self._resident = resident_bytes(self._receiver.service.pid)

    async def _try(self, index: int, request: BadRequest, until: _Until) -> None:
        try:
            came = await self._exchange(request.pieces, until)
        except TimeoutError:
            self._fail(
                "hang", index, f"neither answered nor ended within {PATIENCE_SECONDS:.0f} s", request.raw
            )
            return
        try:
            answers = read_answers(came, may_be_head=b"HEAD" in request.raw)
        except ValueError as error:
            self._fail("answer", index, f"what came back: {error}", request.raw)
            return
        for answer in answers:
            self.tally.statuses[answer.status] = self.tally.statuses.get(answer.status, 0) + 1
            if answer.status not in ANSWERS or b"Traceback" in answer.body:
                self._fail("answer", index, f"answered {answer.status} {answer.body[:300]!r}", request.raw)
            if answer.status == 202 and not request.may_be_accepted:
                self._fail("forged", index, "accepted without any secret in it", request.raw)

    async def _try_genuine(self, index: int, raw: bytes) -> None:
        """In two pieces, each time cut at the next place."""
        self.tally.genuine += 1
        place = index // _GENUINE_EVERY % len(raw)
        answers: list[Answer] = []
        with contextlib.suppress(TimeoutError, ValueError):
            answers = read_answers(await self._exchange((raw[:place], raw[place:]), _Until.ANSWERED))
        if [answer.status for answer in answers] != [202]:
            self._fail("refused", index, f"a genuine delivery in between was answered {answers}", raw)

    async def _exchange(self, pieces: Iterable[bytes], until: _Until) -> bytes:
        """Everything that comes back until the connection ends."""
        pause = _IMPATIENCE_SECONDS if until in (_Until.GLANCED, _Until.SILENT) else PATIENCE_SECONDS
        wants_one = until in (_Until.GLANCED, _Until.ANSWERED)
        async with self._connection() as (reader, writer):
            came = bytearray()
            try:
                for piece in pieces:
                    writer.write(piece)
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await writer.drain()
                    await asyncio.sleep(0)
                with contextlib.suppress(*() if until is _Until.ENDED else (TimeoutError,)):
                    while not (wants_one and is_whole(came)):
                        async with asyncio.timeout(pause):
                            if not (news := await reader.read(65_536)):
                                return bytes(came)
                            came += news
                if writer.can_write_eof():
                    writer.write_eof()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while news := await reader.read(65_536):
                        came += news
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
            return bytes(came)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._receiver.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _send_slowly(self, number: int) -> None:
        """Byte by byte, and never done: the receiver has to end it."""
        rng = case_random("slow", self._seed, number)
        while not self._is_over:
            raw = rng.choice((genuine(rng), b"POST %b HTTP/1.1\r\n" % PATHS["esa"].encode(), make(rng).raw))
            self.tally.cases += 1
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._drip(raw, rng)
            except TimeoutError:
                self._fail("hang", -1, "a sender of single bytes was not ended", raw)

    async def _drip(self, raw: bytes, rng: Random) -> None:
        async with self._connection() as (reader, writer):
            with contextlib.suppress(OSError):
                for at in range(rng.randrange(len(raw) + 1), len(raw)):
                    if self._is_over or writer.is_closing():
                        return
                    writer.write(raw[at : at + 1])
                    await asyncio.sleep(_SLOW_PAUSE_SECONDS)
                await reader.read()

    def _fail(self, kind: str, index: int, what: str, raw: bytes) -> None:
        self.tally.fail(Failure(AREA, self._seed, index, kind, what, raw))
