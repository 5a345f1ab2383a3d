"""Ten thousand requests that nobody would send: each has an answer of the table, and nothing stays behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hookline.embedded import EmbeddedRedis
from hookline.senders.answer import NothingCameBackError

if TYPE_CHECKING:
    from conftest import Receiver
    from hookline.senders.answer import Response

COUNT = 10_000
AT_ONCE = 32
LIMIT = 8000
ANSWERS = {202, 400, 401, 404, 405, 413, 503}
MOST_GROWTH_KIB = 16 * 1024
IMPATIENCE_SECONDS = 0.05
"""What is incomplete has no answer, and is given up after so long."""

METHODS = [*["POST"] * 20, "GET", "PUT", "OPTIONS", "CONNECT", "post", "", "\x00", "PO ST"]
TARGETS = [
    *["/hooks/misskey"] * 8,
    *["/hooks/open"] * 4,
    *["/hooks/team"] * 3,
    *["/hooks/open/?a=b#c", "/hooks/%6Fpen", "/hooks/%", "/hooks/\xff", "//", "/", "*", "", "?", "#"],
    *["http://x/hooks/open", "http://", "http://[::1", "http://x:y/", "x:1", "://", "/hooks/" + "a" * 9000],
]
VERSIONS = [*["HTTP/1.1"] * 20, "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.10", "http/1.1", "", "XTTP/1.1"]
HEADERS = [
    *["X-Misskey-Hook-Secret: misskey-secret-7Qp2", "X-Misskey-Hook-Secret: \xff", "X-Misskey-Hook-Secret:"],
    *["X-Esa-Signature: sha256=" + "a" * 64, "X-Esa-Signature: \xe9", "X-Misskey-Hook-Id: \x80"],
    *["Host: x", "Host:", "Connection: close", "Connection: keep-alive", "Connection: Upgrade"],
    *["Upgrade: websocket", "Upgrade: h2c", "Expect: 100-continue", "Expect: x", "Content-Encoding: gzip"],
    *["Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Transfer-Encoding: x, chunked", "TE: x"],
    *["Content-Length: 0", "Content-Length: 5", "Content-Length: x", "Content-Length: 9000", "Trailer: x"],
    *["Content-Type: multipart/form-data; boundary=x", "Content-Type: \x80/\xff; charset=none", "Cookie: a"],
    *["", ":", "x", " x: y", "x : y", "\x00: y", "x: \x00", "x: \x7f", "x: " + "y" * 9000, "Range: bytes=9-"],
]
BODIES = [
    b"",
    b"{}",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhel",
    b"zz\r\n",
    b"x" * 9000,
    b"\x00\xff\r\n\r\n",
]


def invented(rng: random.Random) -> bytes:
    """A request put together of parts that do and don't fit."""
    lines = [" ".join(map(rng.choice, (METHODS, TARGETS, VERSIONS)))]
    lines += ["Host: x"] * (rng.random() < 0.9)
    lines += rng.choices(HEADERS, k=rng.randrange(5))
    body = rng.choice(BODIES)
    if rng.random() < 0.6:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """A good request with some of its bytes changed, left out or doubled."""
    damage = bytearray(raw)
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(min(len(damage), 400))
        end = start + rng.randrange(4)
        damage[start:end] = rng.choice([b"", rng.randbytes(2), bytes(damage[start:end]) * 2, b"\r\n"])
    return bytes(damage)


def noise(rng: random.Random) -> bytes:
    """Bytes, most of them followed by an empty line, so that a reader takes them for a whole head."""
    return rng.randbytes(rng.randrange(1, 200)) + b"\r\n\r\n"


async def first_answer(receiver: Receiver, raw: bytes) -> Response | None:
    """The answer, or None where there is none: the request is incomplete, or a HEAD's."""
    async with receiver.connection() as connection:
        connection.send(raw)
        try:
            async with asyncio.timeout(IMPATIENCE_SECONDS):
                return await connection.answer()
        except (NothingCameBackError, TimeoutError):
            return None


def resident_kib(pid: int) -> int:
    """How much memory a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


async def test_ten_thousand_random_requests(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """Invented ones, damaged ones and mere noise; a good delivery among them is still answered 202."""
    receiver = start_receiver(
        redis.url, HOOKLINE_RECEIVER__MAX_BODY_BYTES=str(LIMIT), HOOKLINE_LOGGING__LEVEL="info"
    )
    rng = random.Random(20260711)
    good = receiver.raw(receiver.delivery("followed"))
    statuses: Counter[int | None] = Counter()

    async def send(count: int) -> None:
        for _ in range(count):
            raw = rng.choice([invented, invented, lambda rng: damaged(good, rng), noise])(rng)
            answer = await first_answer(receiver, raw)
            statuses[answer and answer.status] += 1
            if answer:
                assert answer.status in ANSWERS, raw
                assert ("retry-after" in answer.headers) == (answer.status == 503)
                assert b"Traceback" not in answer.content

    async def send_at_once(count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(send(count // AT_ONCE))

    await send_at_once(COUNT // 5)
    before_kib = resident_kib(receiver.service.pid)
    await send_at_once(COUNT - COUNT // 5)
    assert resident_kib(receiver.service.pid) - before_kib < MOST_GROWTH_KIB
    assert {202, 400, 401, 404, 405, 413} <= statuses.keys()
    assert statuses[503] == 0
    assert (await receiver.post(receiver.delivery("follow"))).outcome == "202 queued"
    assert receiver.complaints() == []
    assert [line for line in receiver.log if line["level"] == "error"] == []
    assert receiver.service.stop() == 0


async def test_a_crowd_of_good_and_bad_senders_is_sorted_out(receiver: Receiver) -> None:
    """On connections that are kept, each answer belongs to its own request."""
    rng = random.Random(7)
    deliveries = [receiver.delivery(number=number) for number in range(200)]
    expected = [rng.choice([202, 401, 404]) for _ in deliveries]

    async def talk(numbers: range) -> None:
        async with receiver.connection() as connection:
            for number in numbers:
                raw = receiver.raw(deliveries[number])
                if expected[number] == 401:
                    raw = raw.replace(b"misskey-secret-7Qp2", b"misskey-secret-XXXX")
                if expected[number] == 404:
                    raw = raw.replace(b"/hooks/misskey", b"/hooks/m155key", 1)
                connection.send(raw)
                assert (await connection.answer()).status == expected[number]

    async with asyncio.TaskGroup() as group:
        for start in range(0, 200, 20):
            group.create_task(talk(range(start, start + 20)))
