"""A delivery as a file for tests: what was sent, readable and editable where it is JSON, and who sent it."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from hookline.errors import HooklineError
from hookline.events import AnyEvent
from hookline.providers import Delivery, provider
from hookline.stored import raw_headers


def recorded_text(fields: dict[str, bytes]) -> str:
    """The file for a stored event, given by its fields. Secrets are struck out in it, as they are stored."""
    record = {
        "provider": fields["provider"].decode(),
        "headers": json.loads(fields["headers"]),
        **_written(fields["body"]),
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def recorded_name(event_id: str, fields: dict[str, bytes]) -> str:
    """A name for that file, harmless on every system: `misskey.mention-0198….json`."""
    kind = fields.get("type", b"").decode() or fields["source"].decode()
    return f"{re.sub(r'[^a-z0-9._-]+', '_', kind.lower()).strip('._')[:80] or 'event'}-{event_id}.json"


def recorded_event(file: Path) -> AnyEvent:
    """The event that the delivery in this file makes, read as a worker reads it.

    Raises ParseError as the worker's own reading does, and HooklineError for a file that is something else.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        headers = raw_headers(record["headers"])
        chosen, delivery = provider(record["provider"]), Delivery(headers, _read(record))
    except OSError as error:
        raise HooklineError(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HooklineError(
            f"{file} is not a delivery that was saved for tests ({type(error).__name__}: {error}); "
            "save one from an event's page in the console"
        ) from error
    return chosen.parse(delivery)


def _written(body: bytes) -> dict[str, Any]:
    """JSON as the value that it is, other text as text, and the rest in Base64."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(body).decode()}
    try:
        payload = json.loads(text)
        json.dumps(payload, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # also NaN, and half a surrogate pair, which no file could hold
        return {"text": text}
    return {"payload": payload}


def _read(record: dict[str, Any]) -> bytes:
    if "payload" in record:
        return json.dumps(record["payload"], ensure_ascii=False).encode()
    if "text" in record:
        return str(record["text"]).encode()
    return b64decode(record["base64"], validate=True)
