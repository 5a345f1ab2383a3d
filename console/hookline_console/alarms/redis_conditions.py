"""Redis is there, and will not be for long: its memory, and what it writes to its disk."""

from __future__ import annotations

from collections.abc import Iterator

from hookline.figures import RedisFigures
from hookline.settings import Settings
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.look import Look

NEARLY = 0.9
"""Of `receiver.max_redis_memory_percent`."""
_MIB = 1024 * 1024


def redis_conditions(look: Look, redis: RedisFigures, settings: Settings) -> Iterator[Alarm]:
    """What it does not tell is taken to be well."""
    yield from _memory(look, redis, settings.receiver.max_redis_memory_percent)
    if redis.aof_enabled and redis.aof_last_write_ok is False:
        yield _cannot_write(look, "append-only file")
    if redis.rdb_last_save_ok is False:
        yield _cannot_write(look, "snapshot")


def _memory(look: Look, redis: RedisFigures, limit_percent: float) -> Iterator[Alarm]:
    if not redis.maxmemory or redis.used_memory is None:
        return
    percent = 100 * redis.used_memory / redis.maxmemory
    if percent < NEARLY * limit_percent:
        return
    is_full = percent >= limit_percent
    yield Alarm(
        "redis-memory",
        "Redis is full" if is_full else "Redis is nearly full",
        f"It has {redis.used_memory / _MIB:,.0f} of {redis.maxmemory / _MIB:,.0f} MiB ({percent:.0f} %). "
        f"From {limit_percent:g} % on deliveries are spooled, or refused without a spool.",
        "Does a worker run, so that events are finished and purged? `hookline purge` removes finished ones; "
        "else raise its maxmemory, or shorten [retention].",
        Severity.ERROR if is_full else Severity.WARNING,
        look.at_ms,
        stage=int(is_full),
    )


def _cannot_write(look: Look, what: str) -> Alarm:
    return Alarm(
        f"redis-{what.replace(' ', '-')}",
        f"Redis cannot write its {what}",
        "What is acknowledged now may be gone after a restart, and Redis may refuse writes until it can.",
        "Is its disk full or broken? Its own log says more.",
        Severity.ERROR,
        look.at_ms,
    )
