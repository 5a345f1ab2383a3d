"""The deliveries of the bench: all distinct, each genuinely signed, of exactly the size that the row says."""

from __future__ import annotations

import hmac
import json
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

from hookline.intake import RawEvent, new_event_id
from hookline.operations import now_ms
from hookline.providers import provider
from hookline.senders import Outgoing, delivery_random, make_delivery, parse_target, request_bytes
from hookline.senders.wire import compact_json
from hookline.stored import headers_json

ESA_SECRET = "esa-secret-of-the-bench"  # noqa: S105 (it guards nothing)
MISSKEY_SECRET = "misskey-secret-of-the-bench"  # noqa: S105
ESA_PATH = "/hooks/team"
MISSKEY_PATH = "/hooks/misskey"
ESA_BYTES = 1024
MISSKEY_BYTES = 4096

_HOST = "127.0.0.1:8080"
_SECRET_HEADERS = frozenset(("x-esa-signature", "x-misskey-hook-secret"))

Make = Callable[[int], Outgoing]


def esa(number: int) -> Outgoing:
    """esa's `post_create` of 1 kB, signed over its bytes: the sender's own, of a post with a short text."""
    rng = delivery_random("bench", number)
    made = make_delivery("esa", "post_create", secret=b"", rng=rng, now_ms=now_ms())
    payload = json.loads(made.body)
    payload["post"]["body_md"] = f"#{number}\r\n"
    payload["post"]["body_html"] = f"<p>#{number}</p>\n"
    payload["post"]["body_md"] += "." * (ESA_BYTES - len(compact_json(payload)))
    body = compact_json(payload)
    signature = b"sha256=" + hmac.digest(ESA_SECRET.encode(), body, "sha256").hex().encode()
    headers = (*made.headers[:-1], (b"X-Esa-Signature", signature), made.headers[-1])
    return Outgoing(headers=headers, body=body, frame=made.frame)


def misskey(number: int) -> Outgoing:
    """Misskey's `note` of 4 kB, as the sender makes it, with a text that fills it."""
    rng = delivery_random("bench", number)
    return make_delivery(
        "misskey", "note", secret=MISSKEY_SECRET.encode(), rng=rng, now_ms=now_ms(), size_bytes=MISSKEY_BYTES
    )


def esa_request(number: int) -> bytes:
    """The whole HTTP request of an esa delivery."""
    return request_bytes(esa(number), parse_target(f"http://{_HOST}{ESA_PATH}"))


def misskey_request(number: int) -> bytes:
    """The whole HTTP request of a Misskey delivery."""
    return request_bytes(misskey(number), parse_target(f"http://{_HOST}{MISSKEY_PATH}"))


def mixed_request(number: int) -> bytes:
    """One in turn of both."""
    return esa_request(number) if number % 2 else misskey_request(number)


def write_requests(file: Path, count: int, make: Callable[[int], bytes]) -> array[int]:
    """A file for `load.lua`, each request after its length in eight digits; gives where each begins."""
    starts = array("Q")
    with file.open("wb") as out:
        for number in range(count):
            request = make(number)
            starts.append(out.tell())
            out.write(b"%08d" % len(request))
            out.write(request)
    return starts


def raw_events(source: str, provider_name: str, make: Make, numbers: range) -> Iterator[RawEvent]:
    """What the receiver commits for these deliveries: the headers too, as it stores them."""
    dedupe_key = provider(provider_name).dedupe_key
    for number in numbers:
        delivery = make(number)
        dedupe = dedupe_key(delivery)
        at_ms = now_ms()
        yield RawEvent(
            id=new_event_id(at_ms),
            source=source,
            provider=provider_name,
            received_at_ms=at_ms,
            dedupe_key=dedupe.key,
            dedupe_window_ms=dedupe.window_seconds * 1000,
            headers=stored_headers(delivery),
            body=delivery.body,
        )


def stored_headers(delivery: Outgoing) -> bytes:
    """The headers of the request as the receiver stores them, secrets struck out."""
    head = request_bytes(delivery, parse_target(f"http://{_HOST}/hooks/x")).partition(b"\r\n\r\n")[0]
    lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
    return headers_json(((name, value) for name, _, value in lines), _SECRET_HEADERS)
