"""Spans, made with OpenTelemetry; `tracing.py` says whether this module is imported at all.

A trace's context travels as the W3C `traceparent`, in a header of the request and in the event. What is not
traced is not: no span is made that nobody will see.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from hookline.references import strike_out
from hookline.span_sender import SpanSender

GATHER_MS = 1000
"""How long a span waits to be sent together with others."""
STOP_SECONDS = 2.0
"""How long a process that ends gives the last spans to be sent."""

TRACEPARENT_CHARACTERS = 55

Attributes = Mapping[str, str | int | bool]

_PROPAGATOR = TraceContextTextMapPropagator()
_KINDS = {"server": SpanKind.SERVER, "producer": SpanKind.PRODUCER, "consumer": SpanKind.CONSUMER}


class Span:
    """A span that is recorded."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        self.traceparent = f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Meanwhile it is the parent of every span that is made here, whoever makes it. It is not ended."""
        with trace.use_span(self._span, record_exception=False, set_status_on_exception=False):
            yield

    def fail(self, error: str, traceback: str | None = None) -> None:
        """Record what went wrong, as `ValueError: …`."""
        kind, _, message = strike_out(error).partition(": ")
        told = {"exception.type": kind, "exception.message": message}
        if traceback:
            told["exception.stacktrace"] = strike_out(traceback)
        self._span.add_event("exception", told)
        self._span.set_status(Status(StatusCode.ERROR, strike_out(error)))

    def end(self, attributes: Attributes | None = None) -> None:
        """It ends now."""
        self._span.set_attributes(attributes or {})
        self._span.end()


class Tracer:
    """Makes the spans of one process; `with tracer:` around all that makes any.

    Made before a fork and entered after it, since the thread that sends the spans would not survive it.
    """

    def __init__(self, endpoint: str, ratio: float, process: str) -> None:
        self._sender = SpanSender(endpoint)
        self._sampler = _Sampler(TraceIdRatioBased(ratio))
        self._resource = Resource.create({"service.name": f"hookline-{process}"})
        self._ids = RandomIdGenerator()
        self._provider: TracerProvider | None = None
        self._tracer: trace.Tracer = trace.NoOpTracer()

    def __enter__(self) -> Tracer:
        provider = TracerProvider(self._sampler, self._resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(self._sender, schedule_delay_millis=GATHER_MS))
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # a plugin may have its own
            trace.set_tracer_provider(provider)
        self._provider, self._tracer = provider, provider.get_tracer("hookline")
        return self

    def __exit__(self, *_: object) -> None:
        """Send what is left, but no longer than that: a collector that is away holds up nobody's end."""
        if self._provider is not None:
            thread = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
            thread.start()
            thread.join(STOP_SECONDS)

    def span(
        self,
        name: str,
        kind: Literal["server", "producer", "consumer", "internal"],
        attributes: Attributes,
        *,
        parent: str = "",
        link: str = "",
        began_at_ms: int | None = None,
    ) -> Span | None:
        """A span that begins now or began then; None if its trace is not recorded.

        `parent` and `link` are each a `traceparent`: a child is of that trace, what links begins a new one.
        """
        span = self._tracer.start_span(
            name,
            _context(parent),
            _KINDS.get(kind, SpanKind.INTERNAL),
            attributes,
            [Link(_span_context(link))] if link else (),
            None if began_at_ms is None else began_at_ms * 1_000_000,
        )
        return Span(span) if span.is_recording() else None

    @contextlib.contextmanager
    def untraced(self) -> Iterator[None]:
        """Meanwhile nobody makes a span here; without this, an author's own would each begin a trace."""
        context = SpanContext(self._ids.generate_trace_id(), self._ids.generate_span_id(), is_remote=False)
        with trace.use_span(NonRecordingSpan(context)):
            yield


class _Sampler(ParentBased):
    """A trace is recorded if its parent is, or what it links to; else the ratio decides."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        """Whether this span is recorded."""
        if links and not trace.get_current_span(parent_context).get_span_context().is_valid:
            parent_context = trace.set_span_in_context(NonRecordingSpan(links[0].context), Context())
        return super().should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)


def _context(traceparent: str) -> Context:
    """The context that it stands for; an empty one where it is malformed, as in the standard."""
    is_one = len(traceparent) == TRACEPARENT_CHARACTERS
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context()) if is_one else Context()


def _span_context(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context(traceparent)).get_span_context()
