"""A collector that is away costs nobody anything, and is told of once."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from structlog.testing import capture_logs

pytest.importorskip("opentelemetry.sdk.trace", reason="needs hookline[tracing]")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hookline import span_sender
from hookline.span_sender import SpanSender

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
AWAY = ("traces cannot be sent; they are dropped until they can", "warning")
BACK = ("traces are sent again", "info")


@pytest.fixture(scope="module")
def spans() -> list[ReadableSpan]:
    """One span that has ended."""
    memory, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("test").start_span("a span").end()
    return list(memory.get_finished_spans())


class Collector:
    """Answers with the status that it is told; nobody can connect before `open`."""

    def __init__(self) -> None:
        self.status = 200
        self.requests = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.requests += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not on standard error."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def open(self) -> None:
        """Take connections from now on."""
        self._server.server_activate()
        self._thread.start()

    def close(self) -> None:
        """End it."""
        if self._thread.ident:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that is not there yet."""
    made = Collector()
    yield made
    made.close()


def said(logs: list[Any]) -> list[tuple[str, str]]:
    """The messages and their levels."""
    return [(line["event"], line["log_level"]) for line in logs]


def test_a_collector_that_takes_nothing_is_told_once_and_so_is_that_it_does_again(
    collector: Collector, spans: list[ReadableSpan], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """With the reason, and in no words but ours."""
    monkeypatch.setattr(span_sender, "AWAY_SECONDS", 0.0)
    monkeypatch.setattr(span_sender, "SEND_SECONDS", 60)  # the machine may be busy
    collector.open()
    sender, _another = SpanSender(collector.url), SpanSender(collector.url)
    with capture_logs() as logs:
        for status, result in ((400, FAILURE), (200, SUCCESS), (403, FAILURE)):
            collector.status = status
            assert [sender.export(spans), sender.export(spans)] == [result, result]
    sender.shutdown()
    assert said(logs) == [AWAY, BACK, AWAY]
    assert ["400" in logs[0]["error"], "403" in logs[2]["error"]] == [True, True]
    assert caplog.records == []


def test_a_collector_that_is_away_is_left_alone_for_a_while(
    collector: Collector, spans: list[ReadableSpan]
) -> None:
    """By forked processes as well, one of which has found it out."""
    collector.status = 400
    collector.open()
    sender = SpanSender(collector.url)
    pid = os.fork()
    if pid == 0:
        sender.export(spans)
        os._exit(0)
    os.waitpid(pid, 0)
    assert collector.requests == 1
    with capture_logs() as logs:
        assert sender.export(spans) is FAILURE
    sender.shutdown()
    assert (collector.requests, logs) == (1, [])


def test_a_port_that_is_nobodys_is_no_trouble(spans: list[ReadableSpan]) -> None:
    """Nor is an endpoint that is none; what is wrong is said."""
    with socket.socket() as nobodys:
        nobodys.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{nobodys.getsockname()[1]}/"
        for url, reason in ((nowhere, "refused|due to timeout"), ("http://[/", "not a valid host")):
            sender = SpanSender(url)
            with capture_logs() as logs:
                assert sender.export(spans) is FAILURE
            sender.shutdown()
            assert said(logs) == [AWAY]
            assert re.search(reason, logs[0]["error"])
