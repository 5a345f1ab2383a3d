"""Misskey and its forks, as a provider."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pydantic.alias_generators import to_camel

from hookline.errors import ParseError
from hookline.events import AnyEvent, Event, UnknownEvent, snake_case
from hookline.providers import DedupeKey, Delivery, Provider, Verifier
from hookline.providers.misskey.events import EVENTS, MisskeyEvent
from hookline.providers.misskey.verify import HOST_HEADERS, SECRET_HEADERS, header_values, make_verifier
from hookline.providers.payload import json_name, read_event, read_object, read_type

# Without an eventId (12.109) two equal follows of one user have equal bodies, so the window must not be
# longer than the sender's retries: 1, 3 and 7 minutes and a fifth, and 60 s of waiting in each of the
# first three tries make 16.2 minutes.
_WINDOW_WITHOUT_EVENT_ID_SECONDS = 20 * 60
_HOST = re.compile(rb"[A-Za-z0-9.\-:\[\]]{1,255}")
_EVENT_OF_TYPE: dict[str, type[MisskeyEvent]] = {to_camel(event.kind): event for event in EVENTS}


class MisskeyProvider:
    """The webhooks of users and of administrators, of every version since 12.109 and of the forks."""

    name: str = "misskey"
    secret_headers: frozenset[str] = SECRET_HEADERS
    events: Sequence[type[Event]] = EVENTS
    # Its queue waits 2ⁿ − 1 minutes before its n-th retry, and up to a fifth longer (`httpRelatedBackoff`
    # in its source): 1, 3 and 7 minutes, and the fourth try is the last.
    gives_up_after_seconds: float | None = 11 * 60

    def verifier(self, secrets: Sequence[bytes], hook_ids: Sequence[str] = ()) -> Verifier:
        """A verifier that accepts any of these secrets and, where given, only webhooks of these ids."""
        return make_verifier(secrets, hook_ids)

    def dedupe_key(self, delivery: Delivery) -> DedupeKey:
        """The body's hash: a retry is identical to the byte, and the eventId in it makes others differ."""
        key = sha256(delivery.body).hexdigest()
        # In a text, quotes are escaped, so these bytes can only be a key.
        if b'"eventId":' in delivery.body:
            return DedupeKey(key)
        return DedupeKey(key, _WINDOW_WITHOUT_EVENT_ID_SECONDS)

    def parse(self, delivery: Delivery) -> AnyEvent:
        """The typed event, or an UnknownEvent; ParseError says what is wrong with the payload."""
        payload = read_object(delivery.body)
        sent_type = read_type(payload, "type")
        model = _EVENT_OF_TYPE.get(sent_type)
        if model is None:
            return UnknownEvent(type=f"{self.name}.{snake_case(sent_type)}", data=payload)
        fields = _flatten(payload, model.subject)
        if not fields.get("server"):
            fields["server"] = _server_in_headers(delivery)
        return read_event(model, fields)


def _flatten(payload: dict[str, Any], subject: str | None) -> dict[str, Any]:
    """The envelope's fields and the body's side by side, as 12.109 sent them in the first place."""
    envelope = {key: value for key, value in payload.items() if key not in ("type", "body")}
    body = payload.get("body")
    if body is None:
        return envelope
    if not isinstance(body, dict):
        raise ParseError(f"body: is {json_name(body)}, not an object")
    if subject and subject not in body and "id" in body:
        # userCreated, the reports, and test-sends of 2024.9.0 to 2024.10.1 send the subject bare.
        return {**envelope, subject: body}
    if body.keys() & envelope.keys():
        # No known type does that; nothing that a fork sends may be lost, so it is kept whole besides.
        envelope["body"] = body
    return {**body, **envelope}


def _server_in_headers(delivery: Delivery) -> str | None:
    hosts = header_values(delivery, HOST_HEADERS)
    if len(hosts) == 1 and _HOST.fullmatch(host := hosts.pop()):
        return f"https://{host.decode('ascii')}"
    return None


PROVIDER: Provider = MisskeyProvider()
