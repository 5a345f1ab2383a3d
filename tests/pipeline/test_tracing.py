"""One delivery is one trace, from the request through the queue to its runs; and it holds up nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from hookline.operations import now_ms
from hookline.providers import Delivery
from hookline.senders import delivery_random, make_delivery

if TYPE_CHECKING:
    from conftest import Pipeline

collecting = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="needs hookline[tracing]"
)
FORKING = pytest.mark.parametrize("arguments", [(), ("--no-fork",)], ids=["forking", "no-fork"])
SENDERS_TRACE = "0af7651916cd43dd8448eb211c80319c"


class Span(NamedTuple):
    """A span as the collector got it."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    events: list[dict[str, Any]]
    links: list[str]
    began_at: int
    ended_at: int


class Collector:
    """An OTLP/HTTP collector on loopback."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.requests = 0
        self.is_silent = False
        self._open = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.requests += 1
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.is_silent:
                    collector._open.wait(60)
                    return
                collector.spans += _spans(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def named(self, name: str) -> list[Span]:
        """The spans of that name, or all whose name begins so, with `…` at its end."""
        if name.endswith("…"):
            return [span for span in self.spans if span.name.startswith(name[:-1])]
        return [span for span in self.spans if span.name == name]

    def close(self) -> None:
        """End it, with what waits for its answers."""
        self._open.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _spans(body: bytes) -> Iterator[Span]:
    request = collecting.ExportTraceServiceRequest.FromString(body)
    for of_resource in request.resource_spans:
        service = _attributes(of_resource.resource.attributes)["service.name"]
        for scope in of_resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service,
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _attributes(span.attributes),
                    span.status.code == 2,
                    [_attributes(event.attributes) for event in span.events],
                    [link.trace_id.hex() for link in span.links],
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in pairs}


@pytest.fixture
def collector(pipeline: Pipeline) -> Iterator[Collector]:
    """A collector that the pipeline's processes send their spans to."""
    made = Collector()
    pipeline.more_environment["HOOKLINE_TRACING__ENDPOINT"] = made.url
    yield made
    made.close()


PLUGIN = """
    from opentelemetry import trace
    tracer = trace.get_tracer("the author's")

    @action("*", attempts=2)
    async def on_loop(event, ctx):
        ctx.log.info("on the loop")
        with tracer.start_as_current_span("own on loop"):
            pass
        if ctx.attempt == 1:
            raise ValueError("not yet")

    @action("*")
    def in_thread(event, ctx):
        with tracer.start_as_current_span("own in thread"):
            pass
"""


@FORKING
async def test_a_delivery_is_one_trace_from_the_request_to_its_runs(
    pipeline: Pipeline, collector: Collector, arguments: tuple[str, ...]
) -> None:
    """With each attempt, the author's own spans in them, and the id of the trace in the log."""
    pipeline.plugin("plugin", PLUGIN)
    pipeline.start_receiver()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.start_worker(*arguments)
    pipeline.wait_until_finished(1)
    pipeline.wait_for(lambda: len(collector.spans) == 9, "the spans")
    assert [service.stop() for service in pipeline.services] == [0, 0]

    (receive,), (commit,), (wait,) = map(collector.named, ("receive misskey", "commit", "wait"))
    assert {span.trace for span in collector.spans} == {receive.trace}
    assert (receive.service, receive.kind, receive.parent) == ("hookline-receiver", 2, "")
    assert receive.attributes["hookline.event_id"] == event_id
    assert receive.attributes["http.response.status_code"] == 202
    assert commit.parent == receive.id
    assert wait.parent == commit.id
    assert abs(wait.began_at - receive.began_at) <= 2 * 10**6  # one is told to the millisecond
    first, second = sorted(collector.named("run plugin.on_loop"), key=lambda span: span.began_at)
    (other,) = collector.named("run plugin.in_thread")
    for span, outcome in ((first, "retrying"), (second, "done"), (other, "done")):
        assert (span.service, span.kind, span.parent) == ("hookline-worker", 5, commit.id)
        assert span.attributes["hookline.event_id"] == event_id
        assert span.attributes["hookline.outcome"] == outcome
        assert span.ended_at >= span.began_at >= wait.ended_at
    assert (first.failed, second.failed, other.failed) == (True, False, False)
    (error,) = first.events
    assert (error["exception.type"], error["exception.message"]) == ("ValueError", "not yet")
    assert "in on_loop" in error["exception.stacktrace"]
    assert {span.parent for span in collector.named("own on loop")} == {first.id, second.id}
    assert [span.parent for span in collector.named("own in thread")] == [other.id]
    assert receive.trace in pipeline.cli("events", "show", event_id).stdout
    said = ("on the loop", "run failed and is tried again")
    lines = [line for line in pipeline.log if line["event"] in said]
    assert [line["trace_id"] for line in lines] == [receive.trace] * 3


async def test_a_verified_senders_trace_is_carried_on(pipeline: Pipeline, collector: Collector) -> None:
    """What nobody has verified begins one of its own, and what is refused none."""
    config = pipeline.folder / "hookline.toml"
    config.write_text(config.read_text() + '[sources.open]\nprovider = "misskey"\nunverified = true\n')
    pipeline.start_receiver()
    answers = [
        await _post_traced(pipeline, "misskey", secret, trace)
        for secret, trace in (
            (b"misskey-secret-7Qp2", f"00-{SENDERS_TRACE}-b7ad6b7169203331-01"),
            (b"misskey-secret-7Qp2", f"00-{SENDERS_TRACE[::-1]}-b7ad6b7169203331-00"),
            (b"misskey-secret-7Qp2", f"00-{SENDERS_TRACE}-not-one"),
            (b"wrong", f"00-{SENDERS_TRACE}-b7ad6b7169203331-01"),
        )
    ]
    answers.append(await _post_traced(pipeline, "open", b"", f"00-{SENDERS_TRACE}-b7ad6b7169203331-01"))
    pipeline.wait_for(lambda: len(collector.named("receive…")) == 3, "the spans")
    assert [service.stop() for service in pipeline.services] == [0]

    assert [answer.status for answer in answers] == [202, 202, 202, 401, 202]
    own, *others = sorted(collector.named("receive…"), key=lambda span: span.trace != SENDERS_TRACE)
    assert (own.trace, own.parent) == (SENDERS_TRACE, "b7ad6b7169203331")
    assert [span.parent for span in others] == [""] * 2
    assert SENDERS_TRACE not in {span.trace for span in others}
    ids = [answer.body["id"] for answer in answers if answer.status == 202]
    stored = [pipeline.store.fields(event_id).get("trace", b"")[3:35].decode() for event_id in ids]
    assert stored == [SENDERS_TRACE, "", *(stored[2:])]
    assert sorted(stored[2:]) == sorted(span.trace for span in others)


async def _post_traced(pipeline: Pipeline, source: str, secret: bytes, traceparent: str) -> Any:
    number = len(pipeline.event_ids())
    made = make_delivery(
        "misskey", "note", secret=secret, rng=delivery_random(source, number), now_ms=now_ms()
    )
    headers = [*made.headers, (b"Traceparent", traceparent.encode())]
    async with pipeline.poster(source) as poster:
        return await poster.post(Delivery(headers, made.body))


@FORKING
async def test_an_event_that_is_not_traced_makes_no_span(
    pipeline: Pipeline, collector: Collector, arguments: tuple[str, ...]
) -> None:
    """Nor do the author's own begin traces, though a delivery of which nobody says so is traced."""
    pipeline.plugin("plugin", PLUGIN)
    pipeline.start_receiver()
    pipeline.start_worker(*arguments)
    await _post_traced(pipeline, "misskey", b"misskey-secret-7Qp2", f"00-{SENDERS_TRACE}-b7ad6b7169203331-00")
    pipeline.wait_until_finished(1)
    assert [service.stop() for service in pipeline.services] == [0, 0]
    assert collector.spans == []


async def test_a_replay_begins_a_trace_that_links_to_the_first(
    pipeline: Pipeline, collector: Collector
) -> None:
    """However few deliveries are traced, a replay of one that was is."""
    pipeline.more_environment["HOOKLINE_TRACING__RATIO"] = "0.0"
    pipeline.plugin("plugin", PLUGIN)
    pipeline.start_receiver()
    pipeline.start_worker()
    traced = await _post_traced(
        pipeline, "misskey", b"misskey-secret-7Qp2", f"00-{SENDERS_TRACE}-b7ad6b7169203331-01"
    )
    untraced = await pipeline.post("misskey", "note", 7)
    ids = [answer.body["id"] for answer in (traced, untraced)]
    pipeline.wait_until_finished(2)
    pipeline.store.replay(ids, "plugin.in_thread")
    pipeline.wait_until_finished(2)
    pipeline.wait_for(lambda: len(collector.named("run plugin.in_thread")) == 2, "the spans of both runs")
    pipeline.wait_for(lambda: len(collector.named("own in thread")) == 2, "the author's")
    assert [service.stop() for service in pipeline.services] == [0, 0]

    first, again = sorted(collector.named("run plugin.in_thread"), key=lambda span: span.began_at)
    assert (first.trace, first.links) == (SENDERS_TRACE, [])
    assert (again.parent, again.links) == ("", [SENDERS_TRACE])
    assert again.trace != SENDERS_TRACE
    assert again.attributes["hookline.replay"] is True
    own = collector.named("own in thread")
    assert {span.parent for span in own} == {first.id, again.id}  # and none of the event that is not traced
    assert {span.attributes.get("hookline.event_id", ids[0]) for span in collector.spans} == {ids[0]}


async def test_an_attempt_that_took_its_process_along_is_in_the_trace(
    pipeline: Pipeline, collector: Collector
) -> None:
    """As one that failed so; and what cannot be read is, too."""
    pipeline.plugin("bad", "import os\n@action('*', attempts=1)\ndef die(event): os.abort()")
    pipeline.start_receiver()
    killer = (await pipeline.post("misskey", "note")).body["id"]
    unread = (await pipeline.post_body("misskey", b"no JSON")).body["id"]
    pipeline.start_worker()
    pipeline.wait_until_finished(2)
    pipeline.wait_for(lambda: collector.named("run bad.die") and collector.named("read"), "the spans")
    assert [service.stop() for service in pipeline.services] == [0, 0]

    (died,), (read,) = collector.named("run bad.die"), collector.named("read")
    assert (died.attributes["hookline.event_id"], died.attributes["hookline.outcome"]) == (killer, "dead")
    assert died.events[0]["exception.message"] == "signal 6 (Aborted)"
    assert (read.attributes["hookline.event_id"], read.events[0]["exception.type"]) == (unread, "ParseError")


async def test_the_thread_that_sends_spans_does_not_end_its_child(
    pipeline: Pipeline, collector: Collector
) -> None:
    """As a thread would that an action has left behind: a child takes one group after another."""
    pipeline.plugin("one", "import os\n@action('*')\nasync def one(event): tell(str(os.getpid()))")
    pipeline.start_receiver()
    ids = await pipeline.post_many("note", 10)
    pipeline.enqueue_in_groups(ids, 1)
    pipeline.start_worker()
    pipeline.wait_until_finished(10)
    assert len(set(pipeline.told())) < 10


@FORKING
@pytest.mark.parametrize("way", ["refuses", "is silent"])
async def test_nothing_waits_for_a_collector_that_is_away(
    pipeline: Pipeline, collector: Collector, way: str, arguments: tuple[str, ...]
) -> None:
    """Everything is done and ends as ever, and each side says once that there are no traces."""
    if way == "is silent":
        collector.is_silent = True
    else:
        collector.close()
    pipeline.plugin("all", "@action('*')\ndef run(event): tell('')")
    pipeline.start_receiver()
    pipeline.start_worker(*arguments)
    ids = await pipeline.post_many("note", 400)
    pipeline.wait_until_finished(len(ids))
    said = "traces cannot be sent; they are dropped until they can"
    pipeline.wait_for(lambda: pipeline.log_text().count(said) >= 2, "what is said of the traces")
    assert [service.stop() for service in pipeline.services] == [0, 0]

    assert len(pipeline.told()) == len(ids)
    assert set(pipeline.states()) == {"done"}
    told = [line for line in pipeline.log if line["event"] == said]
    assert sorted(line["process"] for line in told) == ["receiver", "worker"]
    assert [line for line in pipeline.log if line["level"] != "info" and line not in told] == []


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    """Neither by the receiver nor by the worker; only what redis-py takes of it for itself, where it is."""
    code = """
import sys, redis.asyncio
before = set(sys.modules)
import {0}.__main__, {0}.{1}
print(*sorted(name for name in set(sys.modules) - before if "opentelemetry" in name or "span" in name))
"""
    for package, module in (("hookline_receiver", "app"), ("hookline_worker", "pool")):
        said = subprocess.run(
            [sys.executable, "-c", code.format(package, module)], capture_output=True, check=True, text=True
        )
        assert said.stdout == "\n"


def test_an_endpoint_without_the_packages_is_a_settings_error(pipeline: Pipeline) -> None:
    """That names the setting and the way out, before anything is received."""
    (pipeline.folder / "opentelemetry.py").write_text("raise ImportError('no such thing here')")
    environment = {
        **os.environ,
        **pipeline.environment(),
        "HOOKLINE_TRACING__ENDPOINT": "http://127.0.0.1:9/",
    }
    environment["PYTHONPATH"] = f"{pipeline.folder}:{os.environ.get('PYTHONPATH', '')}"
    for module in ("hookline_receiver", "hookline_worker"):
        said = subprocess.run(
            [sys.executable, "-m", module], capture_output=True, text=True, env=environment, check=False
        )
        assert said.returncode == 2
        assert "tracing.endpoint is set" in said.stderr
        assert "pip install 'hookline[tracing]'" in said.stderr
