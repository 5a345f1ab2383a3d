"""The workers, as RQ knows them, and the receivers, as they report themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from hookline.figures.kinds import GroupFigures, ReceiverFigures, WorkerFigures
from hookline.queue import PREFIX

WORKER_PREFIX = f"{PREFIX}worker:"


def receiver(name: str, fields: Mapping[str, bytes]) -> ReceiverFigures:
    """One that has reported itself."""
    told = {field: value.decode(errors="replace") for field, value in fields.items()}
    since = told.get("refused_since")
    return ReceiverFigures(
        name=name,
        host=told["host"],
        pid=int(told["pid"]),
        started_at_ms=int(told["started_at"]),
        admin=told["admin"],
        state=told["state"],
        refused_since_ms=int(since) if since else None,
        spool_folder=told["spool_folder"],
        spool_events=int(told["spool_events"]),
        spool_bytes=int(told["spool_bytes"]),
        spool_max_bytes=int(told["spool_max_bytes"]),
    )


def receiver_fields(of: ReceiverFigures) -> dict[str, str | int]:
    """What a receiver writes of itself for `receiver` to read."""
    return {
        "host": of.host,
        "pid": of.pid,
        "started_at": of.started_at_ms,
        "admin": of.admin,
        "state": of.state,
        "refused_since": of.refused_since_ms or "",
        "spool_folder": of.spool_folder,
        "spool_events": of.spool_events,
        "spool_bytes": of.spool_bytes,
        "spool_max_bytes": of.spool_max_bytes,
    }


def worker(key: str, fields: Mapping[str, bytes], groups: Sequence[GroupFigures]) -> WorkerFigures:
    """One that has registered itself under this key of RQ's; `groups` is what it is running."""
    told = {field: value.decode(errors="replace") for field, value in fields.items()}
    return WorkerFigures(
        name=key.removeprefix(WORKER_PREFIX),
        host=told.get("hostname", ""),
        pid=int(told.get("pid", 0)),
        state=told.get("state", "started"),
        started_at_ms=time_ms(told.get("birth")),
        seen_at_ms=time_ms(told.get("last_heartbeat")),
        groups=tuple(groups),
    )


def group(data: bytes, started_at: bytes | None) -> GroupFigures:
    """The events of a job that is being run."""
    return GroupFigures(tuple(event_ids(data)), time_ms(started_at.decode() if started_at else None))


def event_ids(data: bytes | None) -> list[str]:
    """The events that a job names; none where it is gone, or none of ours."""
    try:
        call: Any = from_json(data or b"")
        return [str(event_id) for event_id in call[2][0]]
    except (ValueError, TypeError, LookupError):
        return []


def time_ms(text: str | None) -> int | None:
    """A time as RQ writes it, in ms since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000) if text else None
