"""Every answer is one of the table in docs/receiver.md, whatever the request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hookline.providers import DEDUPE_WINDOW_SECONDS
from hookline.senders import sender_types
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Receiver

LIMIT = 1024 * 1024
PAGE = Path(__file__).parents[2] / "docs" / "receiver.md"


def request(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A request with a Host header and these."""
    return "\r\n".join([line, "Host: x", *headers, "", ""]).encode("latin-1") + body


def post(*headers: str, body: bytes = b"", source: str = "misskey") -> bytes:
    """A POST to a source; the body is as long as `headers` say."""
    return request(f"POST /hooks/{source} HTTP/1.1", *headers, body=body)


@pytest.mark.parametrize("provider", ["misskey", "esa"])
async def test_every_type_that_a_sender_sends_is_stored_as_it_came(
    receiver: Receiver, store: Store, provider: str
) -> None:
    """The body to the byte, the headers in their order, the secret struck out."""
    for kind in sender_types(provider):
        delivery = receiver.delivery(kind, provider=provider)
        answer = await receiver.post(delivery, {"esa": "team"}.get(provider, provider))
        assert (answer.status, (answer.body or {})["status"]) == (202, "queued")
        fields = store.fields((answer.body or {})["id"])
        assert fields["body"] == delivery.body
        assert fields["provider"] == provider.encode()
        headers = json.loads(fields["headers"])
        secret = {"misskey": "x-misskey-hook-secret", "esa": "x-esa-signature"}[provider]
        sent = [
            (name.decode(), "***" if name.lower() == secret.encode() else value.decode())
            for name, value in delivery.headers
        ]
        added = ("host", "connection", "content-length")
        assert [tuple(pair) for pair in headers if pair[0].lower() not in added] == sent


async def test_a_repeat_is_answered_with_the_id_of_the_first(receiver: Receiver, store: Store) -> None:
    """202 as well: for the sender it is done."""
    first = await receiver.post(receiver.delivery())
    again = await receiver.post(receiver.delivery())
    assert again.status == 202
    assert again.body == {"id": (first.body or {})["id"], "status": "duplicate"}
    assert len(store.event_ids()) == 1
    (key,) = store.redis.scan_iter("hookline:dedupe:misskey:*")
    assert DEDUPE_WINDOW_SECONDS < store.redis.ttl(key) <= 2 * DEDUPE_WINDOW_SECONDS


@pytest.mark.parametrize(
    "target",
    [
        "/hooks/misskey/",
        "/hooks/misskey?from=misskey",
        "/hooks/misskey/?",
        "/hooks/m%69sskey",
        "http://somewhere.example/hooks/misskey",
        "https://somewhere.example:444/hooks/misskey?a=b",
    ],
)
async def test_ways_to_write_the_path_of_a_source(receiver: Receiver, target: str) -> None:
    """A slash too many in a form must not lose deliveries; redirecting would."""
    raw = receiver.raw(receiver.delivery()).replace(b"/hooks/misskey", target.encode(), 1)
    answer = await receiver.exchange(raw)
    assert answer is not None
    assert answer.status == 202


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/hooks",
        "/hooks/",
        "/hooks/nobody",
        "/hooks/misskey//",
        "/hooks/misskey/more",
        "/hooks/../hooks/misskey",
        "/hooks/./misskey",
        "/hooks/Misskey",
        "/hooks/m%ffsskey",
        "/hooks/m%zzsskey",
        "/hooks/misskey%00",
        "//hooks/misskey",
        "/HOOKS/misskey",
        "http://somewhere.example",
        "/healthz",
        "/readyz",
    ],
)
async def test_other_paths_are_no_source(receiver: Receiver, target: str) -> None:
    """404 for any method, and the admin port's paths are not here."""
    for method in ("POST", "GET"):
        answer = await receiver.exchange(request(f"{method} {target} HTTP/1.1"))
        assert answer is not None
        assert (answer.status, answer.json_object()) == (404, {"error": "no such source"})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_deliveries_come_by_post_alone(receiver: Receiver, method: str) -> None:
    """Misskey turns a redirected POST into a GET, and would take a 2xx to that for success."""
    answer = await receiver.exchange(request(f"{method} /hooks/misskey HTTP/1.1"))
    assert answer is not None
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_head_is_answered_without_a_body(receiver: Receiver) -> None:
    """And the connection stays usable."""
    async with receiver.connection() as connection:
        connection.send(request("HEAD /hooks/misskey HTTP/1.1") + receiver.raw(receiver.delivery()))
        lines = [await connection.line()]
        while lines[-1] != b"\r\n":
            lines.append(await connection.line())
        assert lines[0] == b"HTTP/1.1 405 Method Not Allowed\r\n"
        assert (await connection.answer()).status == 202


BODY = "Content-Length: 2"
ESA = "sha256=" + "0" * 64


@pytest.mark.parametrize(
    ("source", "headers"),
    [
        ("misskey", []),
        ("misskey", ["X-Misskey-Hook-Secret: wrong"]),
        ("misskey", ["X-Misskey-Hook-Secret:"]),
        ("misskey", ["X-Misskey-Hook-Secret:  \t "]),
        ("misskey", ["X-Misskey-Hook-Secret: \xff\xfe\xe9"]),
        ("misskey", ["X-Misskey-Hook-Secret: misskey-secret-7Qp2", "X-Misskey-Hook-Secret: other"]),
        ("misskey", ["X-Misskey-Hook-Secret: Misskey-Secret-7Qp2"]),
        ("team", []),
        ("team", ["X-Esa-Signature:"]),
        ("team", ["X-Esa-Signature: sha256="]),
        ("team", [f"X-Esa-Signature: {ESA}"]),
        ("team", ["X-Esa-Signature: sha256=" + "\xe9" * 64]),
        ("team", ["X-Esa-Signature: " + "\xff\xfe"]),
        ("team", [f"X-Esa-Signature: {ESA}", f"X-Esa-Signature: {ESA}1"]),
        ("team", ["X-Misskey-Hook-Secret: misskey-secret-7Qp2"]),
    ],
)
async def test_a_wrong_signature_is_refused(
    receiver: Receiver, store: Store, source: str, headers: list[str]
) -> None:
    """Without a reason, which only the log tells."""
    before = len(receiver.log)
    answer = await receiver.exchange(post(*headers, BODY, source=source, body=b"{}"))
    assert answer is not None
    assert (answer.status, answer.json_object()) == (401, {"error": "not verified"})
    line = receiver.wait_for_log(lambda line: line["event"] == "delivery refused", since=before)
    assert (line["source"], line["peer"]) == (source, "127.0.0.1")
    assert "ecret" in line["reason"] or "ignature" in line["reason"]
    assert len(store.event_ids()) == 0


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 10_000, b'{"a":NaN}', b'"\\ud800"', b"null", b"\x00"]
)
async def test_a_verified_body_is_accepted_whatever_is_in_it(
    receiver: Receiver, store: Store, body: bytes
) -> None:
    """It becomes a dead letter, which can be replayed; a 4xx would lose it."""
    answer = await receiver.exchange(
        post("X-Misskey-Hook-Secret: misskey-secret-7Qp2", f"Content-Length: {len(body)}", body=body)
    )
    assert answer is not None
    assert answer.status == 202
    assert store.fields((answer.json_object() or {})["id"])["body"] == body


async def test_a_compressed_body_stays_as_it_was_sent(receiver: Receiver, store: Store) -> None:
    """A signature is over the bytes as sent; nothing that calls itself compressed can blow up either."""
    for coding in ("gzip", "deflate", "br", "zstd", "nonsense"):
        body = coding.encode() + b" \x1f\x8b is what it says it is"
        answer = await receiver.exchange(
            post(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}", body=body, source="open")
        )
        assert answer is not None
        assert answer.status == 202
        assert store.fields((answer.json_object() or {})["id"])["body"] == body


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"POST\r\n\r\n",
        b"post /hooks/misskey HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /hooks/misskey HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        request("POST /hooks/misskey HTTP/1.9"),
        request("POST /hooks/m\xffsskey HTTP/1.1"),
        request("POST hooks/misskey HTTP/1.1"),
        request("POST http://a:99999999/hooks/misskey HTTP/1.1"),
        request("POST http://[::1/hooks/misskey HTTP/1.1"),
        b"POST /hooks/misskey HTTP/1.1\r\n\r\n",
        b"POST /hooks/misskey HTTP/1.1\nHost: x\n\n",
        post("X: a\r\n folded"),
        post("X: nul \x00"),
        post("X y: z"),
        post(": z"),
        post("Content-Length: 2", "Content-Length: 2", body=b"{}"),
        post("Content-Length: 2", "Content-Length: 3", body=b"{}"),
        post("Content-Length: 2, 2", body=b"{}"),
        post("Content-Length:", body=b"{}"),
        post("Content-Length: +2", body=b"{}"),
        post("Content-Length: -2", body=b"{}"),
        post("Content-Length: 0x2", body=b"{}"),
        post("Content-Length: 99999999999999999999999999", body=b"{}"),
        post("Content-Length: 2", "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: gzip", body=b"{}"),
        post("Transfer-Encoding: chunked, gzip", body=b"{}"),
        post("Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked", body=b"2\r\n{}}\r\n0\r\n\r\n"),
        post(*(f"X-{number}: y" for number in range(10_000))),
    ],
    ids=lambda raw: repr(raw[:60]),
)
async def test_what_is_no_http_is_answered_400(receiver: Receiver, raw: bytes) -> None:
    """And the connection closed, since nobody knows where the next request would begin."""
    async with receiver.connection() as connection:
        connection.send(raw)
        answer = await connection.answer()
        assert (answer.status, answer.keeps_alive) == (400, False)
        assert await connection.is_closed_within()


@pytest.mark.parametrize(
    "raw",
    [
        post(f"Content-Length: {LIMIT + 1}", body=b"x" * (LIMIT + 1)),
        post("Content-Length: 5000000", body=b"x" * 5_000_000),
        post("Content-Length: 18446744073709551615", body=b"x"),
        post("Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1))),
        post("Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * (LIMIT + 1) + b"0\r\n\r\n"),
        post("X: " + "x" * 5_000_000),
        post("x" * 5_000_000 + ": x"),
        request(f"POST /{'x' * 5_000_000} HTTP/1.1"),
    ],
    ids=lambda raw: f"{raw[:60]!r} {len(raw)}",
)
async def test_what_is_too_large_is_answered_413(receiver: Receiver, store: Store, raw: bytes) -> None:
    """A sender that writes everything before it reads gets to see that, too."""
    async with receiver.connection() as connection:
        connection.send(raw)
        await connection.writer.drain()
        answer = await connection.answer()
        assert (answer.status, answer.keeps_alive) == (413, False)
    assert len(store.event_ids()) == 0


@pytest.mark.parametrize("form", ["length", "chunked", "small chunks"])
async def test_a_body_of_exactly_the_limit_is_accepted(receiver: Receiver, store: Store, form: str) -> None:
    """It is refused from the first byte over it."""
    body = b"x" * LIMIT
    raw = {
        "length": post(f"Content-Length: {LIMIT}", body=body, source="open"),
        "chunked": post(
            "Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n\r\n" % (LIMIT, body), source="open"
        ),
        "small chunks": post(
            "Transfer-Encoding: chunked",
            body=(b"10;ext=1\r\n" + b"x" * 16 + b"\r\n") * (LIMIT // 16) + b"0\r\nTrailer: x\r\n\r\n",
            source="open",
        ),
    }[form]
    answer = await receiver.exchange(raw)
    assert answer is not None
    assert answer.status == 202
    assert store.fields((answer.json_object() or {})["id"])["body"] == body


async def test_a_body_over_the_limit_is_refused_before_it_is_there(receiver: Receiver) -> None:
    """By its length, or, chunked, as soon as there is one byte too many."""
    for raw in (
        post(f"Content-Length: {LIMIT + 1}"),
        post("Transfer-Encoding: chunked", body=b"ffffffff\r\n" + b"x" * (LIMIT + 1)),
    ):
        answer = await receiver.exchange(raw)
        assert answer is not None
        assert answer.status == 413


@pytest.mark.parametrize(
    "raw",
    [
        request("CONNECT example.com:443 HTTP/1.1"),
        b"CONNECT  \r\n\r\n",
        request("OPTIONS * HTTP/1.1"),
        request("GET / HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"),
    ],
)
async def test_proxies_and_other_protocols_are_not_served(receiver: Receiver, raw: bytes) -> None:
    """They ask for no source."""
    answer = await receiver.exchange(raw)
    assert answer is not None
    assert answer.status == 404


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "tcp"])
async def test_an_offer_to_upgrade_is_passed_over(receiver: Receiver, protocol: str) -> None:
    """The delivery that comes with it is what counts, and so does the next one."""
    first, second = (receiver.raw(receiver.delivery(number=number)) for number in (1, 2))
    first = first.replace(b"Connection: keep-alive", f"Connection: Upgrade\r\nUpgrade: {protocol}".encode())
    async with receiver.connection() as connection:
        for raw in (first, second):
            connection.send(raw)
            assert (await connection.answer()).status == 202


def test_the_page_has_every_answer_and_no_other() -> None:
    """Whoever adds one here adds it there."""
    table = re.findall(r"^\| `?(\d{3})", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(set(table)) == ["202", "400", "401", "404", "405", "413", "503"]
