"""Deliveries as Misskey 2026 makes them: the envelope around an invented body, and node-fetch's headers."""

from __future__ import annotations

import random

from hookline.errors import SettingsError
from hookline.senders.fiction import OWNER, filler, uuid4
from hookline.senders.misskey_bodies import BODIES
from hookline.senders.misskey_objects import SERVER, Json
from hookline.senders.wire import Outgoing, compact_json

TYPES = tuple(BODIES)
HOOK_ID = "a5r8k2m6hook0001"
_SYSTEM = frozenset(
    {
        "abuseReport",
        "abuseReportResolved",
        "userCreated",
        "inactiveModeratorsWarning",
        "inactiveModeratorsInvitationOnlyChanged",
        "inactiveModeratorsDisablePublicNoteChanged",
    }
)  # an administrator's hooks: nobody owns them, so their envelope has no userId
_FRAME = ((2, b"content-length"), (8, b"Host"), (9, b"Connection"))
_TEXT_PLACES = (
    ("note", "text"),
    ("note", "renote", "text"),
    ("user", "description"),
    ("report", "comment"),
    ("comment",),
)


def make(
    kind: str,
    *,
    secret: bytes,
    rng: random.Random,
    now_ms: int,
    size_bytes: int = 0,
    hook_id: str | None = None,
) -> Outgoing:
    """One delivery of this type. An empty secret is sent as Misskey does it: in a header that is empty."""
    if any(byte < 0x20 or byte == 0x7F for byte in secret):
        raise SettingsError(
            "the secret has a control character or a line break in it, and Misskey would send nothing"
        )
    hook = hook_id or HOOK_ID
    envelope: Json = {"server": SERVER, "hookId": hook}
    envelope |= {} if kind in _SYSTEM else {"userId": OWNER.user_id}
    envelope |= {"eventId": uuid4(rng), "createdAt": now_ms, "type": kind, "body": BODIES[kind](rng, now_ms)}
    body = compact_json(envelope)
    if len(body) < size_bytes and _grow(envelope["body"], size_bytes - len(body)):
        body = compact_json(envelope)
    headers = (
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"Misskey-Hooks"),
        (b"x-misskey-hook-id", hook.encode()),
        (b"x-misskey-hook-secret", secret),
        (b"x-misskey-host", SERVER.removeprefix("https://").encode()),
    )
    return Outgoing(headers=headers, body=body, frame=_FRAME)


def _grow(body: Json, size_bytes: int) -> bool:
    """Lengthens the body's longest kind of text by so many bytes; False where the type carries no text."""
    for *path, last in _TEXT_PLACES:
        place = body
        for key in path:
            place = place.get(key) or {}
        if isinstance(place.get(last), str):
            place[last] += filler(size_bytes)
            return True
    return False
