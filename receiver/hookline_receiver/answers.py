"""The answers of the table in docs/receiver.md. None says why a signature failed; that is for the log."""

from __future__ import annotations

import json

from aiohttp.web import Response

RETRY_AFTER_SECONDS = 10
_SERVER = {"Server": "hookline"}  # aiohttp would tell its version and Python's


def committed(event_id: str, *, is_duplicate: bool) -> Response:
    """202: it is stored, now or before; the id is that of the first."""
    status = b"duplicate" if is_duplicate else b"queued"
    return Response(
        body=b'{"id":"%b","status":"%b"}\n' % (event_id.encode(), status),
        status=202,
        headers=_SERVER,
        content_type="application/json",
    )


def refusal(status: int, error: str, **headers: str) -> Response:
    """An answer that says what is wrong; `Retry_After` is written for Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        body=json.dumps({"error": error}).encode() + b"\n",
        status=status,
        headers=_SERVER | named,
        content_type="application/json",
    )


def not_committed() -> Response:
    """503: nothing is stored, and the sender should try again."""
    return refusal(503, "not stored; try again", Retry_After=str(RETRY_AFTER_SECONDS))
