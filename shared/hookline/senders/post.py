"""Posting deliveries over keep-alive connections, the sender's bytes untouched.

No HTTP library is used: each of them orders, capitalises or adds headers in its own way, and the point here
is that what is on the wire is what the sender would have put there.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from hookline.providers import Delivery
from hookline.senders.answer import (
    Answer,
    MalformedAnswerError,
    NothingCameBackError,
    Response,
    read_response,
)
from hookline.senders.wire import Target, parse_target, request_bytes

MISSKEY_TIMEOUT_SECONDS = 5.0
_TLS_CLOSE_SECONDS = 1.0

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Poster:
    """Posts deliveries to one URL over up to `connections` connections, which it keeps alive.

    `timeout_seconds` is for one post, from connecting to the end of the answer: after 5 s Misskey gives up.
    Raises SettingsError for a URL that nothing can be posted to.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        timeout_seconds: float = MISSKEY_TIMEOUT_SECONDS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        if connections < 1:
            raise ValueError(f"connections={connections}: nothing can be posted over fewer than 1")
        self.target = parse_target(url)
        self.connections = connections
        self.timeout_seconds = timeout_seconds
        is_tls = self.target.scheme == "https"
        self._ssl = (ssl_context or ssl.create_default_context()) if is_tls else None
        self._free = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes every idle connection; one in use is closed by its own post."""
        self._is_closed = True
        writers = [writer for _, writer in self._idle]
        self._idle.clear()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)

    async def post(self, delivery: Delivery) -> Answer:
        """Sends this delivery and gives the answer; a failure of the network is an answer of status 0."""
        request = request_bytes(delivery, self.target)
        async with self._free:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    response = await self._exchange(request)
            except (OSError, EOFError, MalformedAnswerError) as error:
                cause = _cause(error, self.target, self.timeout_seconds)
                return Answer(0, None, time.perf_counter() - started, error=cause)
            seconds = time.perf_counter() - started
        text = response.content.decode(errors="replace")
        return Answer(response.status, response.json_object(), seconds, headers=response.headers, text=text)

    async def _exchange(self, request: bytes) -> Response:
        """One request and its answer.

        The server may meanwhile have closed a kept connection. Then, and only where not a byte of an answer
        came, the request goes out once more, on a new one.
        """
        if kept := self._take_idle():
            try:
                return await self._speak(kept, request)
            except NothingCameBackError:
                pass
        return await self._speak(await self._connect(), request)

    async def _speak(self, connection: _Connection, request: bytes) -> Response:
        reader, writer = connection
        try:
            # Not drained: a server may answer (413) and close before it has read everything, and that
            # answer is to be read although the rest can no longer be written.
            writer.write(request)
            response = await read_response(reader)
        except BaseException:
            writer.transport.abort()
            raise
        was_read_whole = writer.transport.get_write_buffer_size() == 0
        if response.keeps_alive and was_read_whole and not self._is_closed:
            self._idle.append(connection)
        else:
            writer.transport.abort()  # close() would first try to write what the server no longer reads
        return response

    def _take_idle(self) -> _Connection | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return None

    async def _connect(self) -> _Connection:
        host, port = self.target.host, self.target.port
        if not self._ssl:
            return await asyncio.open_connection(host, port)
        return await asyncio.open_connection(
            host, port, ssl=self._ssl, ssl_shutdown_timeout=_TLS_CLOSE_SECONDS
        )


async def post_all(
    poster: Poster,
    deliveries: Iterable[Delivery],
    *,
    rate_per_second: float | None = None,
    on_answer: Callable[[Answer], object] | None = None,
) -> list[Answer]:
    """Posts them over all of the poster's connections at once; the answers in the deliveries' order.

    `deliveries` are taken one by one as they are needed. With a rate, none leaves before its time.
    """
    numbered = iter(enumerate(deliveries))
    answers: dict[int, Answer] = {}
    started = time.monotonic()

    async def take_turns() -> None:
        for index, delivery in numbered:
            if rate_per_second:
                await asyncio.sleep(started + index / rate_per_second - time.monotonic())
            answers[index] = await poster.post(delivery)
            if on_answer:
                on_answer(answers[index])

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(poster.connections):
                group.create_task(take_turns())
    except ExceptionGroup as failures:  # posts don't raise: it is what `deliveries` or `on_answer` raised
        raise failures.exceptions[0] from None
    return [answers[index] for index in sorted(answers)]


def _cause(error: Exception, target: Target, timeout_seconds: float) -> str:
    """Why there was no answer, in words that name the place."""
    place = f"{target.host}:{target.port}"
    match error:
        case TimeoutError() if error.errno is None:
            return f"no answer from {place} within {timeout_seconds:g} s"
        case socket.gaierror():
            return f"the host name {target.host} does not resolve ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {place} is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS with {place} failed ({error.reason or error}); does it speak https?"
        case ConnectionRefusedError():
            return f"connection refused: nothing listens on {place}"
        case NothingCameBackError():
            return f"{place} closed the connection without an answer"
        case EOFError() | ConnectionError():
            return f"{place} closed the connection in the middle of its answer"
        case OSError():
            return f"no connection to {place} ({error.strerror or error})"
        case _:
            return str(error)
