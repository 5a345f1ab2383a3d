"""No secret is anywhere but in the request: not in Redis, not in the log, not in an answer."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Receiver

MISSKEY, ESA, WRONG, REDIS = (f"{name}-s3cr3t-ü" for name in ("misskey", "esa", "wrong", "redis"))


def signature(secret: str, body: bytes) -> str:
    """As esa makes it."""
    return "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()


def body(number: int) -> bytes:
    """Another one for each request, since repeats are not stored."""
    return b'{"type":"follow","body":{"number":%d}}' % number


def requests() -> list[bytes]:
    """Right and wrong secrets in every place in which one can be."""
    made: list[bytes] = []

    def add(source: str, *headers: str, length: int | None = None) -> None:
        number = len(made)
        lines = [f"POST /hooks/{source} HTTP/1.1", "Host: x", *headers]
        lines += [f"Content-Length: {length or len(body(number))}", "", ""]
        made.append("\r\n".join(lines).encode() + body(number))

    for secret in (MISSKEY, ESA, WRONG):
        in_header = f"X-Misskey-Hook-Secret: {secret}"
        for fork in ("Misskey", "Calckey", "Firefish", "Iceshrimp"):
            add("misskey", f"X-{fork}-Hook-Secret: {secret}")
            add("open", f"X-{fork}-Hook-Secret: {secret}")
        for source in ("team", "open"):
            add(source, f"X-Esa-Signature: {signature(secret, body(len(made)))}")
            add(source, f"X-Esa-Signature: {secret}")
            add(source, f"X-Esa-Signature: {signature(ESA, body(len(made)))}", in_header)
            add(source, f"Authorization: Bearer {secret}", f"Cookie: a={secret}")
            add(source, f"Proxy-Authorization: Basic {secret}")
            add(f"{source}?key={secret}", in_header)
        add("nobody", in_header)
        add("misskey", f"X {secret}")
        add("misskey", in_header + "x" * 9000)
        add("misskey", in_header, length=99_999_999)
        add(quote(secret), in_header)
    return made


def assert_without_secrets(found: bytes) -> None:
    """Neither a secret nor a signature made with one, in any spelling."""
    assert b"-s3cr3t-" not in found
    signatures = [
        signature(secret, body(number)) for secret in (MISSKEY, ESA, WRONG) for number in range(COUNT)
    ]
    assert [each for each in signatures if each.encode() in found] == []


COUNT = len(requests())


def in_redis(store: Store) -> bytes:
    """Every key and every value."""
    redis = store.redis
    found: list[bytes] = []
    for key in redis.scan_iter():
        kind = redis.type(key)
        found.append(key)
        if kind == b"string":
            found.append(redis.get(key))
        elif kind == b"hash":
            found += [each for pair in redis.hgetall(key).items() for each in pair]
        elif kind == b"list":
            found += redis.lrange(key, 0, -1)
        elif kind == b"set":
            found += redis.smembers(key)
        else:
            found += redis.zrange(key, 0, -1)
    return b"\n".join(found)


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
async def test_no_secret_is_anywhere(
    own_redis: EmbeddedRedis, start_receiver: Callable[..., Receiver], free_port: int, level: str
) -> None:
    """At no log level; not when Redis is away either."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        client.config_set("requirepass", REDIS)
        receiver = start_receiver(
            own_redis.url,
            wait=False,
            HOOKLINE_LOGGING__LEVEL=level,
            HOOKLINE_RECEIVER__PORT=str(free_port),
            TEST_MISSKEY_SECRET=MISSKEY,
            TEST_ESA_SECRET=ESA,
            HOOKLINE_REDIS__PASSWORD="env:TEST_REDIS_PASSWORD",
            TEST_REDIS_PASSWORD=REDIS,
        )
        receiver.url = f"http://127.0.0.1:{free_port}"  # the log would tell it at some of the levels alone
        await until_it_listens(receiver)
        answers = [await receiver.exchange(raw) for raw in requests()]
        statuses = {answer.status for answer in answers if answer}
        assert statuses == {202, 400, 401, 404, 413}
        assert len(Store(client).event_ids()) > 30
        assert_without_secrets(in_redis(Store(client)))
    own_redis.stop()
    answers += [await receiver.exchange(raw) for raw in requests()]
    assert {answer.status for answer in answers if answer} == {202, 400, 401, 404, 413, 503}
    assert receiver.service.stop() == 0
    for answer in answers:
        assert answer is not None
        assert_without_secrets(answer.content + repr(answer.headers).encode())
    assert_without_secrets(receiver.log_text().encode())
    for file in own_redis.folder.rglob("*"):
        if file.is_file():
            assert_without_secrets(file.read_bytes())


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def until_it_listens(receiver: Receiver) -> None:
    """Try until a connection is taken."""
    async with asyncio.timeout(30):
        while True:
            try:
                async with receiver.connection():
                    return
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def test_secrets_are_struck_out_of_the_stored_headers(receiver: Receiver, store: Store) -> None:
    """The header stays, so that one sees that there was one."""
    delivery = receiver.delivery()
    answer = await receiver.exchange(
        receiver.raw(delivery).replace(
            b"\r\n\r\n", b"\r\nAUTHORIZATION: Bearer abc\r\nX-Other: \xe9\r\n\r\n", 1
        )
    )
    assert answer is not None
    (event_id,) = store.event_ids()
    headers = {name.lower(): value for name, value in json.loads(store.fields(event_id)["headers"])}
    assert headers["x-misskey-hook-secret"] == "***"
    assert headers["authorization"] == "***"
    assert headers["x-other"] == "é"
    assert headers["user-agent"] == "Misskey-Hooks"


def test_the_page_names_the_headers_that_are_struck_out() -> None:
    """Whoever adds one adds it there."""
    page = (Path(__file__).parents[2] / "docs" / "receiver.md").read_text(encoding="utf-8")
    for name in ("Authorization", "Proxy-Authorization", "Cookie"):
        assert f"`{name}`" in page
