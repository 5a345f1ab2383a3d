"""What Redis says of itself."""

from __future__ import annotations

from typing import Any

from hookline.figures.kinds import RedisFigures


def redis_figures(info: Any, config: Any, response_ms: float) -> RedisFigures:
    """From the answers to INFO and CONFIG GET appendfsync, either of which may be an error."""
    known: dict[str, Any] = info if isinstance(info, dict) else {}
    configured: dict[Any, Any] = config if isinstance(config, dict) else {}
    return RedisFigures(
        response_ms=response_ms,
        version=str(known.get("redis_version", "")),
        role=str(known.get("role", "")),
        used_memory=_number(known, "used_memory"),
        maxmemory=_number(known, "maxmemory"),
        aof_enabled=_is(known, "aof_enabled", 1),
        aof_last_write_ok=_is(known, "aof_last_write_status", "ok"),
        fsync=next((_text(value) for value in configured.values()), ""),
        rdb_last_save_ok=_is(known, "rdb_last_bgsave_status", "ok"),
        connected_replicas=_number(known, "connected_slaves"),
    )


def _number(known: dict[str, Any], name: str) -> int | None:
    return int(known[name]) if name in known else None


def _is(known: dict[str, Any], name: str, wanted: int | str) -> bool | None:
    return bool(known[name] == wanted) if name in known else None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
