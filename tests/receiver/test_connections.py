"""What happens on a connection over time: bodies that come late, break off or never end; clients that go."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from hookline.embedded import EmbeddedRedis
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Receiver

PAUSE_MS = 300


def split(receiver: Receiver, *extra: str, number: int = 0) -> tuple[bytes, bytes]:
    """A good delivery, its head with these headers added, and its body."""
    head, _, body = receiver.raw(receiver.delivery(number=number)).partition(b"\r\n\r\n")
    return "\r\n".join([head.decode(), *extra, "", ""]).encode(), body


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
async def test_a_client_that_asks_is_told_to_continue(receiver: Receiver, value: str) -> None:
    """Otherwise curl waits a second before it sends the body."""
    head, body = split(receiver, f"Expect: {value}")
    async with receiver.connection() as connection:
        connection.send(head)
        assert await connection.line() == b"HTTP/1.1 100 Continue\r\n"
        assert await connection.line() == b"\r\n"
        connection.send(body)
        assert (await connection.answer()).status == 202


async def test_a_client_that_asks_in_vain_is_told_at_once(receiver: Receiver) -> None:
    """It need not send what will be refused."""
    for target, headers, status in (
        (b"/hooks/misskey", b"Content-Length: 9999999", 413),
        (b"/hooks/nobody", b"Content-Length: 10", 404),
        (b"/hooks/nobody", b"Transfer-Encoding: chunked", 404),
    ):
        async with receiver.connection() as connection:
            connection.send(
                b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%b\r\n\r\n" % (target, headers)
            )
            assert (await connection.line()).startswith(b"HTTP/1.1 %d " % status)


async def test_other_expectations_are_passed_over(receiver: Receiver) -> None:
    """As is the one of a client of HTTP/1.0, which would take a 100 for the answer."""
    for version, value in (("1.1", "something-else"), ("1.0", "100-continue")):
        head, body = split(receiver, f"Expect: {value}")
        async with receiver.connection() as connection:
            connection.send(head.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1))
            await asyncio.sleep(0.01)  # so that it comes in two pieces; in one it would do, too
            connection.send(body)
            assert (await connection.line()).endswith(b" 202 Accepted\r\n")


async def test_requests_in_a_row_are_answered_in_a_row(receiver: Receiver) -> None:
    """Also when they all come in one piece."""
    raws = [receiver.raw(receiver.delivery(number=number)) for number in range(40)]
    raws[7] = b"GET /hooks/misskey HTTP/1.1\r\nHost: x\r\n\r\n"
    async with receiver.connection() as connection:
        connection.send(b"".join(raws))
        statuses = [(await connection.answer()).status for _ in raws]
    assert statuses == [202] * 7 + [405] + [202] * 32


async def test_a_request_may_come_byte_by_byte(receiver: Receiver) -> None:
    """In as many pieces as the network likes."""
    async with receiver.connection() as connection:
        for byte in receiver.raw(receiver.delivery()):
            connection.send(bytes([byte]))
            await asyncio.sleep(0)
        assert (await connection.answer()).status == 202


async def test_a_client_of_http_1_0_is_answered(receiver: Receiver) -> None:
    """And the connection closed, unless it asks otherwise."""
    raw = receiver.raw(receiver.delivery()).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    async with receiver.connection() as connection:
        connection.send(raw)
        connection.send(raw.replace(b"keep-alive", b"close"))
        assert [(await connection.answer()).status for _ in range(2)] == [202, 202]
        assert await connection.is_closed_within()


@pytest.mark.parametrize("version", ["0.9", "2.0"])
async def test_other_versions_are_answered_in_http_1_0(receiver: Receiver, version: str) -> None:
    """An answer in a version that we don't speak would be a lie."""
    raw = receiver.raw(receiver.delivery()).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)
    async with receiver.connection() as connection:
        connection.send(raw)
        assert await connection.line() == b"HTTP/1.0 202 Accepted\r\n"


async def test_an_unread_body_does_not_become_the_next_request(receiver: Receiver) -> None:
    """A body for a source that does not exist could look like a delivery."""
    smuggled = receiver.raw(receiver.delivery())
    async with receiver.connection() as connection:
        connection.send(
            b"POST /hooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(smuggled)
        )
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        connection.send(smuggled)
        assert await connection.is_closed_within()


async def test_chunks_that_turn_out_malformed_are_refused_at_once(receiver: Receiver, store: Store) -> None:
    """Not when the time for the body is over."""
    head = (
        b"POST /hooks/open HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    before = len(receiver.log)
    async with receiver.connection() as connection:
        connection.send(head)
        assert await connection.line() == b"HTTP/1.1 100 Continue\r\n"
        await connection.line()
        connection.send(b"5\r\nhello\r\n")
        connection.send(b"no size\r\n")
        assert (await connection.answer()).status == 400
        assert await connection.is_closed_within()
    line = receiver.wait_for_log(lambda line: line["event"] == "request refused", since=before)
    assert line["reason"] == "TransferEncodingError"
    assert len(store.event_ids()) == 0


async def test_malformed_chunks_behind_a_good_delivery_are_refused_too(receiver: Receiver) -> None:
    """The good one is answered as ever."""
    async with receiver.connection() as connection:
        connection.send(
            receiver.raw(receiver.delivery())
            + b"POST /hooks/open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
        )
        assert (await connection.answer()).status == 202
        connection.send(b"no size\r\n")
        assert (await connection.answer()).status == 400


async def test_a_client_that_goes_in_the_middle_of_its_body_is_no_mistake_of_ours(
    receiver: Receiver, store: Store
) -> None:
    """Nothing is stored, and the log tells of it without a traceback."""
    before = len(receiver.log)
    head, body = split(receiver, "Expect: 100-continue")
    async with receiver.connection() as connection:
        connection.send(head)
        await connection.line()
        connection.send(body[:-1])
        await connection.writer.drain()
    receiver.wait_for_log(lambda line: line["event"] == "request refused", since=before)
    assert len(store.event_ids()) == 0


async def test_a_client_that_goes_before_the_answer_has_its_event_stored(
    receiver: Receiver, store: Store, wait_for: Callable[..., Any]
) -> None:
    """Its sender will try again, and be told that it is a duplicate."""
    store.redis.client_pause(PAUSE_MS, all=False)
    async with receiver.connection() as connection:
        connection.send(receiver.raw(receiver.delivery()))
        await connection.writer.drain()
        wait_for(lambda: store.redis.info("clients")["blocked_clients"], "a commit under way")
    wait_for(lambda: len(store.event_ids()), "the event")
    assert (await receiver.post(receiver.delivery())).outcome == "202 duplicate"


async def test_a_body_that_takes_too_long_is_dropped_with_its_connection(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """However steadily it drips; no 4xx, after which Misskey would give up."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__BODY_TIMEOUT_SECONDS="0.3")
    head, body = split(receiver)
    async with receiver.connection() as connection:
        connection.send(head)
        dripping = asyncio.create_task(drip(connection, body))
        assert await connection.is_closed_within()
        dripping.cancel()
    receiver.wait_for_log(lambda line: line["event"] == "slow client dropped")
    assert (await receiver.post(receiver.delivery())).status == 202
    assert receiver.complaints() == []


async def test_a_head_that_takes_too_long_is_dropped(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """A byte now and then does not keep the connection; nor does having sent a delivery before."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__IDLE_TIMEOUT_SECONDS="0.5")
    head, _ = split(receiver)
    async with receiver.connection() as fresh, receiver.connection() as used, receiver.connection() as idle:
        for connection in (used, idle):
            connection.send(receiver.raw(receiver.delivery()))
            assert (await connection.answer()).status == 202
        dripping = [asyncio.create_task(drip(connection, head[:-1])) for connection in (fresh, used)]
        assert await fresh.is_closed_within()
        assert await used.is_closed_within()
        assert await idle.is_closed_within()
        for task in dripping:
            task.cancel()
    assert receiver.complaints() == []


async def test_a_client_that_does_not_read_its_answers_is_dropped(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """It could hold the connection, and the memory for its answers, for ever."""
    receiver = start_receiver(redis.url, HOOKLINE_RECEIVER__IDLE_TIMEOUT_SECONDS="0.5")
    requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", receiver.port))
        with pytest.raises(ConnectionError):
            await send_without_end(deaf, requests)
    assert (await receiver.post(receiver.delivery())).status == 202
    assert receiver.complaints() == []


async def test_more_connections_than_it_may_have_files_do_not_end_it(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """They keep others out for as long as they last; the first delivery after them is answered."""
    receiver = start_receiver(redis.url)
    await receiver.post(receiver.delivery(number=1))
    resource.prlimit(receiver.service.pid, resource.RLIMIT_NOFILE, (40, 40))
    async with contextlib.AsyncExitStack() as crowd:
        for _ in range(80):
            await crowd.enter_async_context(receiver.connection())
        receiver.wait_for_log(lambda line: "out of system resource" in line["event"])
    assert (await receiver.post(receiver.delivery(number=2))).status == 202


async def send_without_end(deaf: socket.socket, requests: bytes) -> None:
    """Until the connection breaks."""
    async with asyncio.timeout(30):
        while True:
            await asyncio.get_running_loop().sock_sendall(deaf, requests)


async def drip(connection: Any, raw: bytes) -> None:
    """Send the bytes one by one, slowly."""
    with contextlib.suppress(ConnectionError):
        for byte in raw:
            connection.send(bytes([byte]))
            await connection.writer.drain()
            await asyncio.sleep(0.02)
