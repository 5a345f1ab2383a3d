"""The guard ladder of one delivery: source, method, size, signature, commit. Each rung has its one answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import HttpVersion11, StreamReader
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import BaseRequest, Response

from hookline.errors import NotCommittedError, VerificationError
from hookline.intake import RawEvent
from hookline.providers import Delivery
from hookline.settings import Receiver
from hookline_receiver.answers import Answer, committed, not_committed, refusal
from hookline_receiver.commit import GroupCommitter
from hookline_receiver.endpoints import Endpoint
from hookline_receiver.tally import Tally
from hookline_receiver.traces import Traced, trace
from hookline_receiver.waiting import Outcome

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer

PREFIX = "/hooks/"

log = structlog.get_logger(__name__)


class _TooLargeError(Exception):
    """Raised when a body is longer than the limit, as soon as that is known."""


class Ingest:
    """Answers deliveries."""

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        committer: GroupCommitter,
        settings: Receiver,
        tally: Tally | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.tally = tally or Tally()
        self._endpoints = endpoints
        self._committer = committer
        self._settings = settings
        self._tracer = tracer
        self._is_chatty = log.is_enabled_for(logging.DEBUG)
        self._plain_paths = {
            PREFIX + name + end: each for name, each in endpoints.items() for end in ("", "/")
        }

    async def __call__(self, request: BaseRequest) -> Response:
        """The answer to one request; see docs/receiver.md for what each means to the sender."""
        path = request.path
        name = path.removeprefix(PREFIX).removesuffix("/") if path.startswith(PREFIX) else ""
        endpoint = self._endpoints.get(name)
        rejected = partial(self.tally.rejected, source=name, peer=request.remote)
        if endpoint is None:
            rejected("no_source", "no such source", source="")
            return refusal(404, "no such source").response()
        if request.method != "POST":
            rejected("method", f"came by {request.method} instead of POST")
            return refusal(405, "deliveries come by POST", Allow="POST").response()
        try:
            body = await self._body(request)
        except _TooLargeError:
            log.warning("delivery refused", source=name, reason="too large", peer=request.remote)
            why = f"larger than {self._settings.max_body_bytes} bytes"
            rejected("too_large", why)
            return refusal(413, why).response()
        except TimeoutError:
            log.warning("slow client dropped", source=name, peer=request.remote)
            rejected("slow", f"not there after {self._settings.body_timeout_seconds:g} s")
            return _drop(request)
        except (OSError, HttpProcessingError) as error:
            log.info("request refused", source=name, reason=type(error).__name__, peer=request.remote)
            rejected("not_http", "not a complete HTTP request")
            return refusal(400, "not a complete HTTP request").response()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.accept(
            endpoint,
            Delivery(request.raw_headers, body),
            request.remote,
            lambda each: None if answer.done() else answer.set_result(each),
        )
        return (await answer).response()

    def ready(self, message: RawRequestMessage, body: StreamReader) -> Endpoint | None:
        """Where this request goes, if it passes every rung before the signature as it stands."""
        if (
            message.method == "POST"
            and body.is_eof()
            and 0 < body.total_bytes <= self._settings.max_body_bytes
        ):
            return self._plain_paths.get(message.path)
        return None

    async def _body(self, request: BaseRequest) -> bytes:
        """The whole body, refused rather than cut as soon as it is known to be too large."""
        limit = self._settings.max_body_bytes
        if (request.content_length or 0) > limit:
            raise _TooLargeError
        content = request.content
        if content.is_eof():  # most deliveries arrive in one piece
            body = content.read_nowait()
            if len(body) > limit:
                raise _TooLargeError
            return body
        _let_it_continue(request)
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(self._settings.body_timeout_seconds):
            while chunk := await content.readany():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise _TooLargeError
        return b"".join(chunks)

    def accept(
        self, endpoint: Endpoint, delivery: Delivery, peer: str | None, answer: Callable[[Answer], None]
    ) -> None:
        """Verify and commit a delivery; `answer` is called once it is refused or committed."""
        if endpoint.verify is not None:
            try:
                endpoint.verify(delivery)
            except VerificationError as error:
                log.warning("delivery refused", source=endpoint.name, reason=error.reason, peer=peer)
                self.tally.rejected("signature", error.reason, source=endpoint.name, peer=peer)
                answer(refusal(401, "not verified"))
                return
        if endpoint.pace is not None and not endpoint.pace.allows_one_more():
            self.tally.rejected("too_fast", "more than its max_per_second", source=endpoint.name, peer=peer)
            answer(not_committed())
            return
        event, traced = endpoint.raw_event(delivery), None
        if self._tracer is not None:
            traced = trace(self._tracer, event, delivery, is_verified=endpoint.verify is not None)
            event = event._replace(trace=traced.traceparent) if traced else event
        self._committer.enlist(event, partial(self._tell, event, traced, peer, answer))

    def _tell(
        self,
        event: RawEvent,
        traced: Traced | None,
        peer: str | None,
        answer: Callable[[Answer], None],
        outcome: Outcome,
    ) -> None:
        """Answer a delivery by what has become of it."""
        if isinstance(outcome, NotCommittedError):
            self.tally.rejected("not_committed", str(outcome), source=event.source, peer=peer)
            answer(not_committed())
        else:
            answer(committed(outcome, is_duplicate=outcome != event.id))
        if traced is not None:
            traced.end(event.id, outcome)
        if self._is_chatty:
            _note(event, outcome, {} if traced is None else {"trace_id": traced.trace_id})


def _note(event: RawEvent, outcome: Outcome, fields: dict[str, str]) -> None:
    fields |= {"source": event.source}
    if isinstance(outcome, NotCommittedError):
        log.debug("delivery not taken", event_id=event.id, reason=str(outcome), **fields)
    else:
        log.debug("delivery accepted", event_id=outcome, duplicate=outcome != event.id, **fields)


def _let_it_continue(request: BaseRequest) -> None:
    """Tell a client that asks first, as curl does for longer bodies, to send it; otherwise it waits a second.

    Raises ConnectionResetError where the client is gone already.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _drop(request: BaseRequest) -> Response:
    """Cut the connection; the answer is for aiohttp alone, which wants one."""
    if request.transport is not None:
        request.transport.abort()
    return not_committed().response()
