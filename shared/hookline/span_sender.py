"""Sends spans to the collector. While that takes none they are dropped, which is told once and not again.

Nobody waits for it: spans are gathered in memory, a bounded number, and sent by a thread of their own.
"""

from __future__ import annotations

import logging
import mmap
import struct
import threading
import time
from collections.abc import Sequence

import structlog
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

SEND_SECONDS = 3
AWAY_SECONDS = 10.0
"""How long nothing is sent to a collector that took nothing: forked children would end more slowly."""

_TIME = struct.Struct("d")

log = structlog.get_logger(__name__)


class SpanSender(SpanExporter):
    """Of one process and those that it forks, which know by it what any of them has found."""

    def __init__(self, endpoint: str) -> None:
        self._exporter = OTLPSpanExporter(endpoint=endpoint, timeout=SEND_SECONDS)
        self._shared = mmap.mmap(-1, _TIME.size)  # stays shared across forks

    @property
    def _try_again_at(self) -> float:
        """By the monotonic clock, which is the machine's; 0 while the collector takes what it is sent."""
        at: float = _TIME.unpack_from(self._shared)[0]
        return at

    @_try_again_at.setter
    def _try_again_at(self, at: float) -> None:
        _TIME.pack_into(self._shared, 0, at)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send these, or drop them."""
        if time.monotonic() < self._try_again_at:
            return SpanExportResult.FAILURE
        if self._try_again_at:  # one process tries, the others go on dropping
            self._try_again_at = time.monotonic() + AWAY_SECONDS
        problem = self._send(spans)
        was_away = self._try_again_at > 0  # another process may have found it out meanwhile, and told it
        self._try_again_at = 0.0 if problem is None else time.monotonic() + AWAY_SECONDS
        if problem is None and was_away:
            log.info("traces are sent again")
        elif problem is not None and not was_away:
            log.warning("traces cannot be sent; they are dropped until they can", error=problem)
        return SpanExportResult.SUCCESS if problem is None else SpanExportResult.FAILURE

    def _send(self, spans: Sequence[ReadableSpan]) -> str | None:
        """Why it could not be done; None if it could."""
        _said.messages.clear()
        try:
            if self._exporter.export(spans) is SpanExportResult.SUCCESS:
                return None
        except Exception as error:  # foreign code, in a thread that has to go on
            return f"{type(error).__name__}: {error}"
        return _said.messages[0] if _said.messages else "it was not taken"

    def shutdown(self) -> None:
        """Give up what is being sent."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """There is nothing: each call of `export` sends what it is given."""
        return True


class _Said(threading.local):
    """What the exporter has logged in this thread, in which one batch is sent at a time."""

    def __init__(self) -> None:
        self.messages: list[str] = []


_said = _Said()


def _hear(record: logging.LogRecord) -> bool:
    """Keep what the exporter logs at every try to ourselves."""
    _said.messages.append(record.getMessage())
    return False


logging.getLogger(trace_exporter.__name__).addFilter(_hear)
