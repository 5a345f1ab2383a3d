"""The poster: what is on the wire, kept connections, and what is said when there is no answer."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hookline.errors import SettingsError
from hookline.providers import Delivery
from hookline.senders import (
    Answer,
    Outgoing,
    Poster,
    delivery_random,
    make_delivery,
    parse_target,
    post_all,
    request_bytes,
)

QUEUED = b'HTTP/1.1 202 Accepted\r\nContent-Length: 31\r\n\r\n{"id": "e1", "status": "queued"}'
QUEUED = QUEUED.replace(b"31", b"%d" % len(QUEUED.partition(b"\r\n\r\n")[2]))


class Server:
    """A real HTTP server on a free port: it keeps every request's bytes and answers from a script."""

    def __init__(self, answer: Callable[[int], bytes], *, closes_after: Callable[[int], bool]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.most_at_once = 0
        self.port = 0
        self._answer, self._closes_after, self._now = answer, closes_after, 0
        self.closed = asyncio.Event()
        self.handlers: set[asyncio.Task[None] | None] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.handlers.add(asyncio.current_task())
        self.connections += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                number = len(self.requests)
                self.requests.append(head + await reader.readexactly(int(length)))
                writer.write(self._answer(number))
                if self._closes_after(number):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._now -= 1
            writer.close()
            self.closed.set()


@asynccontextmanager
async def serving(
    answer: Callable[[int], bytes] | bytes = QUEUED,
    *,
    closes_after: Callable[[int], bool] = lambda number: False,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A server on a free port of the loopback address."""
    script = (lambda number: answer) if isinstance(answer, bytes) else answer
    server = Server(script, closes_after=closes_after)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
    await asyncio.gather(*(task for task in server.handlers if task))  # they end when the client hangs up


def make(provider: str, kind: str, index: int = 0) -> Outgoing:
    """A delivery of a fixed seed and time."""
    return make_delivery(
        provider, kind, secret=b"s3cret", rng=delivery_random(1, index), now_ms=1_773_453_566_535
    )


async def post_once(url: str, *, timeout_seconds: float = 5.0) -> Answer:
    """One note to `url`."""
    async with Poster(url, timeout_seconds=timeout_seconds) as poster:
        return await poster.post(make("misskey", "note"))


async def test_a_misskey_delivery_is_on_the_wire_as_node_fetch_writes_it() -> None:
    """Every byte of the request: names, their case, their order, and where the connection's own ones are."""
    delivery = make("misskey", "mention")
    async with serving() as server, Poster(f"http://127.0.0.1:{server.port}/hooks/misskey?x=1") as poster:
        await poster.post(delivery)
    expected = (
        "POST /hooks/misskey?x=1 HTTP/1.1\r\n"
        "accept: */*\r\n"
        "accept-encoding: gzip, deflate, br\r\n"
        f"content-length: {len(delivery.body)}\r\n"
        "content-type: application/json\r\n"
        "user-agent: Misskey-Hooks\r\n"
        "x-misskey-hook-id: a5r8k2m6hook0001\r\n"
        "x-misskey-hook-secret: s3cret\r\n"
        "x-misskey-host: misskey.example\r\n"
        f"Host: 127.0.0.1:{server.port}\r\n"
        "Connection: keep-alive\r\n"
        "\r\n"
    )
    assert server.requests == [expected.encode() + delivery.body]


async def test_an_esa_delivery_is_on_the_wire_as_esa_writes_it() -> None:
    """Every byte of the request."""
    delivery = make("esa", "post_create")
    delivery_id, signature = (delivery.header(name) for name in (b"x-esa-delivery", b"x-esa-signature"))
    assert delivery_id
    assert signature
    async with serving() as server, Poster(f"http://127.0.0.1:{server.port}/hooks/esa") as poster:
        await poster.post(delivery)
    expected = (
        "POST /hooks/esa HTTP/1.1\r\n"
        "Content-Type: application/json\r\n"
        "User-Agent: esa-Hookshot/v1\r\n"
        f"X-Esa-Delivery: {delivery_id.decode()}\r\n"
        f"X-Esa-Signature: {signature.decode()}\r\n"
        "accept: */*\r\n"
        f"Host: 127.0.0.1:{server.port}\r\n"
        f"Content-Length: {len(delivery.body)}\r\n"
        "\r\n"
    )
    assert server.requests == [expected.encode() + delivery.body]


async def test_an_answer_is_given_whole() -> None:
    """Status, JSON, headers, time."""
    async with serving() as server:
        answer = await post_once(f"http://127.0.0.1:{server.port}/")
    assert (answer.status, answer.body, answer.error) == (202, {"id": "e1", "status": "queued"}, None)
    assert (answer.outcome, answer.is_success) == ("202 queued", True)
    assert answer.headers["content-length"] == "32"
    assert 0 < answer.seconds < 5


CHUNKS = b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\ntrailer: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "status", "text", "is_kept"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, "", True),
        (b"HTTP/1.1 503 Busy\r\nConnection: close\r\ncontent-length: 2\r\n\r\nno", 503, "no", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, 200, "abc0123456789", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", False),
    ],
)
async def test_every_framing_of_an_answer_is_read(wire: bytes, status: int, text: str, is_kept: bool) -> None:
    """And a connection is kept only where the server means to keep it."""
    async with serving(wire) as server, Poster(f"http://127.0.0.1:{server.port}/") as poster:
        answers = [await poster.post(make("misskey", "note", index)) for index in range(2)]
        assert [(answer.status, answer.text, answer.error) for answer in answers] == [
            (status, text, None)
        ] * 2
        assert server.connections == (1 if is_kept else 2)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """As HTTP/1.0 servers do it."""
    async with serving(b"HTTP/1.1 200 OK\r\n\r\nall of it", closes_after=lambda number: True) as server:
        answer = await post_once(f"http://127.0.0.1:{server.port}/")
    assert (answer.status, answer.text, answer.body) == (200, "all of it", None)


async def test_connections_are_kept_and_bounded() -> None:
    """Forty posts over three connections, and the answers are in the deliveries' order."""
    async with serving() as server, Poster(f"http://127.0.0.1:{server.port}/", connections=3) as poster:
        seen: list[Answer] = []
        answers = await post_all(
            poster, (make("misskey", "note", index) for index in range(40)), on_answer=seen.append
        )
    assert [answer.outcome for answer in answers] == ["202 queued"] * 40
    assert len(seen) == len(server.requests) == 40
    assert server.connections <= 3
    assert server.most_at_once <= 3


async def test_a_kept_connection_that_the_server_closed_is_replaced() -> None:
    """Also when the close has not been noticed before the request is written."""
    async with (
        serving(closes_after=lambda number: True) as server,
        Poster(f"http://127.0.0.1:{server.port}/", connections=1) as poster,
    ):
        first = await poster.post(make("misskey", "note", 0))
        unnoticed = await poster.post(make("misskey", "note", 1))
        await asyncio.wait_for(server.closed.wait(), 5)
        noticed = await poster.post(make("misskey", "note", 2))
    assert [each.outcome for each in (first, unnoticed, noticed)] == ["202 queued"] * 3
    assert len(server.requests) == 3


async def test_a_request_that_was_read_on_a_kept_connection_and_not_answered_is_sent_once_more() -> None:
    """On a fresh connection, with the same bytes: the receiver can tell that it is a repeat."""
    script = {0: QUEUED, 1: b"", 2: QUEUED}
    async with (
        serving(script.__getitem__, closes_after=lambda number: number == 1) as server,
        Poster(f"http://127.0.0.1:{server.port}/", connections=1) as poster,
    ):
        await poster.post(make("misskey", "note", 0))
        answer = await poster.post(make("misskey", "note", 1))
    assert answer.outcome == "202 queued"
    assert server.requests[1] == server.requests[2]
    assert server.connections == 2


async def test_a_request_whose_answer_had_begun_is_not_sent_again() -> None:
    """The receiver has taken it, whatever became of the rest of the answer."""
    script = {0: QUEUED, 1: QUEUED[:30]}
    async with (
        serving(script.__getitem__, closes_after=lambda number: number == 1) as server,
        Poster(f"http://127.0.0.1:{server.port}/", connections=1) as poster,
    ):
        await poster.post(make("misskey", "note", 0))
        answer = await poster.post(make("misskey", "note", 1))
    assert answer.status == 0
    assert answer.error == f"127.0.0.1:{server.port} closed the connection in the middle of its answer"
    assert len(server.requests) == 2


async def test_a_fresh_connection_without_an_answer_is_not_tried_again() -> None:
    """Once more is for connections that had been kept."""
    async with serving(b"", closes_after=lambda number: True) as server:
        answer = await post_once(f"http://127.0.0.1:{server.port}/")
    assert answer.outcome == (
        f"network error: 127.0.0.1:{server.port} closed the connection without an answer"
    )
    assert len(server.requests) == 1


async def test_an_early_refusal_of_a_large_body_is_read() -> None:
    """A receiver may answer 413 before it has the whole body, and close."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    is_over = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        with suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.close()
        is_over.set()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        async with Poster(url) as poster:
            answer = await poster.post(replace(make("misskey", "note"), body=b"x" * 8_000_000))
        await is_over.wait()
    assert (answer.status, answer.error) == (413, None)


async def test_nothing_listening_is_said_to_be_that() -> None:
    """With the place."""
    async with serving() as server:
        port = server.port
    answer = await post_once(f"http://127.0.0.1:{port}/")
    assert (answer.status, answer.body) == (0, None)
    assert answer.error == f"connection refused: nothing listens on 127.0.0.1:{port}"


async def test_silence_ends_after_the_timeout() -> None:
    """As Misskey's own patience does."""
    async with serving(b"") as server:
        answer = await post_once(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.05)
    assert answer.error == f"no answer from 127.0.0.1:{server.port} within 0.05 s"


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the answer is not HTTP/1.1: it begins 'SSH-2.0-OpenSSH_9.6'"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "the answer gives 'many' as a length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "the answer is longer than 1048576 bytes"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, "the head of the answer does not end"),
    ],
)
async def test_what_is_not_an_answer_is_said_to_be_that(wire: bytes, error: str) -> None:
    """And is no exception."""
    async with serving(wire) as server:
        answer = await post_once(f"http://127.0.0.1:{server.port}/")
    assert (answer.status, answer.error) == (0, error)


async def test_speaking_tls_to_a_plain_server_is_said_to_be_that() -> None:
    """The usual slip with https."""

    async def answer_anything(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(answer_anything, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        answer = await post_once(f"https://127.0.0.1:{port}/")
    assert answer.error
    assert answer.error.startswith(f"TLS with 127.0.0.1:{port} failed")
    assert answer.error.endswith("does it speak https?")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody has signed, and its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command to make a certificate")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return cert, key


async def test_https_is_spoken_and_certificates_are_checked(certificate: tuple[Path, Path]) -> None:
    """A trusted one is talked to, an unknown one is not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trusting = ssl.create_default_context(cafile=certificate[0])
    async with serving(context=context) as server:
        url = f"https://127.0.0.1:{server.port}/"
        async with Poster(url, ssl_context=trusting) as poster:
            answers = [await poster.post(make("esa", "post_create", index)) for index in range(3)]
        assert [answer.outcome for answer in answers] == ["202 queued"] * 3
        assert server.connections == 1
        refused = await post_once(url)
    assert refused.error
    assert refused.error.startswith(f"the certificate of 127.0.0.1:{server.port} is not trusted")


async def test_no_delivery_leaves_before_its_time() -> None:
    """Five at a hundred per second take four hundredths of a second, however fast the answers are."""
    loop = asyncio.get_running_loop()
    async with serving() as server, Poster(f"http://127.0.0.1:{server.port}/") as poster:
        started = loop.time()
        await post_all(poster, (make("esa", "post_create", index) for index in range(5)), rate_per_second=100)
        assert loop.time() - started >= 0.04


async def test_an_error_in_making_deliveries_comes_out_as_it_is() -> None:
    """Not wrapped in a group."""
    async with serving() as server, Poster(f"http://127.0.0.1:{server.port}/") as poster:
        with pytest.raises(SettingsError, match="sends no 'nothing'"):
            await post_all(poster, (make("esa", kind) for kind in ("post_create", "nothing")))


def test_a_plain_delivery_can_be_posted_and_its_own_headers_win() -> None:
    """So that a test can send what no sender sends."""
    target = parse_target("http://receiver.example/hooks/x")
    plain = Delivery(headers=((b"X-One", b"1"),), body=b"{}")
    lying = Delivery(headers=((b"content-length", b"7"),), body=b"{}")
    assert request_bytes(plain, target) == (
        b"POST /hooks/x HTTP/1.1\r\nHost: receiver.example\r\nContent-Length: 2\r\nX-One: 1\r\n\r\n{}"
    )
    assert request_bytes(lying, target) == (
        b"POST /hooks/x HTTP/1.1\r\nHost: receiver.example\r\ncontent-length: 7\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://127.0.0.1:8080/hooks/a", "127.0.0.1:8080", "/hooks/a"),
        ("HTTPS://Example.com:443", "example.com", "/"),
        ("http://[::1]:80/x?y=1#part", "[::1]", "/x?y=1"),
        ("https://雲.example/フック?q=あ", "xn--op5a.example", "/%E3%83%95%E3%83%83%E3%82%AF?q=%E3%81%82"),
    ],
)
def test_a_url_is_taken_apart_for_the_wire(url: str, authority: str, path: str) -> None:
    """The port only where it is not the scheme's own; what is not ASCII is encoded."""
    target = parse_target(url)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("127.0.0.1:8080/hooks/a", "the scheme must be http or https"),
        ("ftp://example.com/", "must be http or https, not 'ftp'; give one like http://"),
        ("http:///hooks/a", "names no host"),
        ("http://example.com:port/", "Port could not be cast"),
        ("http://exa mple.com/", "white space or control characters"),
        ("http://example.com/\r\nx: y", "white space or control characters"),
        ("http://a..b/", "give one like"),
    ],
)
def test_a_url_that_nothing_can_be_posted_to_is_refused(url: str, error: str) -> None:
    """With the reason and the way out."""
    with pytest.raises(SettingsError, match=error):
        parse_target(url)


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    """Misskey would not send to it."""
    with pytest.raises(SettingsError, match="user or password") as caught:
        parse_target("https://me:hunter2@example.com/")
    assert "hunter2" not in str(caught.value)


def test_a_poster_needs_a_connection() -> None:
    """With none it would wait for ever."""
    with pytest.raises(ValueError, match="connections=0"):
        Poster("http://127.0.0.1/", connections=0)
