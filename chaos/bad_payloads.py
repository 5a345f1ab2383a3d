"""Bodies for the parsers: changed genuine ones, invented ones, bombs. An event or a ParseError comes back."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

from chaos.bad_headers import is_sound
from chaos.damage import TOKENS, changed_json, damaged, invented_json
from chaos.genuine import PROVIDERS, SECRETS, pool
from hookline.errors import ParseError
from hookline.events import AnyEvent, Event
from hookline.providers import Delivery, Provider, provider

AREA = "parsers"
MOST_BYTES = 1024 * 1024
_MOST_REASON_CHARACTERS = 2000
_BOMB_SHARE = 0.001


def try_case(rng: Random) -> tuple[bytes, str, str]:
    """Make a body, have it parsed, and look at what came back."""
    name = rng.choice(PROVIDERS)
    genuine = rng.choice(pool(name, SECRETS[name]))
    body = _body(rng, genuine.delivery.body)
    problem = judge(provider(name), Delivery(_headers(rng, list(genuine.delivery.headers)), body))
    return body, "error" if problem else "", f"{name}: {problem}" if problem else ""


def judge(reader: Provider, delivery: Delivery) -> str:
    """What is wrong with what the provider makes of it; "" if nothing is."""
    try:
        if not is_sound(key := reader.dedupe_key(delivery)):
            return f"the dedupe key is {key!r:.300}"
        return _look(reader.parse(delivery))
    except ParseError as error:
        return "" if len(str(error)) <= _MOST_REASON_CHARACTERS else "the reason is too long"
    except Exception as error:  # anything else is what is looked for
        return f"raised {error!r:.300}"


def _look(event: AnyEvent) -> str:
    """What is wrong with an event; an action may read every property of it, and store it as JSON."""
    if not event.type.isprintable():
        return "a type that cannot be printed"
    event.model_dump_json()
    if isinstance(event, Event):
        for part in (event, getattr(event, "note", None), getattr(event, "post", None)):
            for each in type(part).__mro__:
                for attribute, value in vars(each).items():
                    if isinstance(value, property) and not attribute.startswith(("_", "model_")):
                        getattr(part, attribute)
    return ""


def _headers(rng: Random, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    if headers and rng.random() < 0.2:
        place = rng.randrange(len(headers))
        name, value = headers[place]
        headers[place] = (name, damaged(rng, value, 2))
    return headers


def _body(rng: Random, body: bytes) -> bytes:
    choice = rng.random()
    if choice < _BOMB_SHARE:
        return rng.choice(_BOMBS)(rng)[:MOST_BYTES]
    if choice < 0.55:
        return changed_json(rng, json.loads(body))
    if choice < 0.75:
        return damaged(rng, body)
    if choice < 0.9:
        return _odd_envelope(rng)
    if choice < 0.97:
        return invented_json(rng)
    return rng.randbytes(rng.randrange(200))


def _odd_envelope(rng: Random) -> bytes:
    """A type that is known, with anything in it."""
    genuine = rng.choice(pool(name := rng.choice(PROVIDERS), SECRETS[name]))
    key = b"type" if name == "misskey" else b"kind"
    kind = json.loads(genuine.delivery.body)[key.decode()].encode()
    fields = (b"body", b"note", b"user", b"post", b"team", b"comment", b"report", b"createdAt", key, b"id")
    parts = [b'"%b":%b' % (rng.choice(fields), invented_json(rng)) for _ in range(rng.randrange(5))]
    parts.insert(rng.randrange(len(parts) + 1), b'"%b":"%b"' % (key, kind))
    return b"{" + b",".join(parts) + b"}"


def _in_a_note(value: bytes) -> bytes:
    return b'{"type":"note","body":{"note":{"id":"a","user":{"id":"b","username":"c"},%b}}}' % value


def _in_a_post(value: bytes) -> bytes:
    return b'{"kind":"post_create","post":{"number":1,%b}}' % value


def _quotes(depth: int) -> bytes:
    note = b'{"id":"a","user":{"id":"b","username":"c"}'
    return b'{"type":"note","body":{"note":%b%b}}}' % (
        (note + b',"renote":') * depth,
        note + b"}" * (depth + 1),
    )


_BOMBS: tuple[Callable[[Random], bytes], ...] = (
    lambda rng: b"[" * rng.choice((200, 10_000, MOST_BYTES)),
    lambda rng: b'{"a":' * rng.choice((200, 10_000, 200_000)),
    lambda rng: _quotes(rng.choice((50, 90, 198, 1000, 10_000))),
    lambda rng: _in_a_note(b'"renoteCount":' + b"9" * rng.choice((4299, 4300, 4301, 100_000, 1_000_000))),
    lambda rng: _in_a_note(b'"text":' + b"9" * rng.choice((4300, 4301, 1_000_000))),
    lambda rng: _in_a_note(b'"text":0.' + b"9" * 1_000_000),
    lambda rng: _in_a_post(b'"name":"' + b"#a " * 300_000 + b'"'),
    lambda rng: _in_a_post(b'"name":"' + b"/ " * 300_000 + b'"'),
    lambda rng: _in_a_post(b'"url":"' + b"#comment-" * 100_000 + b'"'),
    lambda rng: _in_a_note(b",".join(b'"k%d":{}' % number for number in range(80_000))),
    lambda rng: _in_a_note(b'"emojis":[' + b",".join([b'{"name":"a"}'] * 70_000) + b"]"),
    lambda rng: _in_a_note(b'"files":[' + b",".join([b"{}"] * 300_000) + b"]"),
    lambda rng: _in_a_note(b'"text":"' + b"\\ud800" * 150_000 + b'"'),
    lambda rng: _in_a_note(b'"text":"' + b"\\" * 900_000 + b'"'),
    lambda rng: b'{"type":"' + b"aB" * 400_000 + b'"}',
    lambda rng: b'{"type":"note",' * 60_000,
    lambda rng: b" " * MOST_BYTES,
    lambda rng: b"\xef\xbb\xbf" * 300_000,
    lambda rng: b"[" + b",".join(rng.choice(TOKENS) for _ in range(2000)) + b"]",
)
