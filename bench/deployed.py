"""Hookline's Redis keeps hashes as `deploy/redis.conf` says; the peers' is as Redis comes."""

from __future__ import annotations

from pathlib import Path

from redis import Redis

CONF = Path(__file__).parents[1] / "deploy" / "redis.conf"
_ENCODING = "hash-max-"


def set_up(redis: Redis) -> None:
    """Set what the product's own configuration sets about how data is kept."""
    for line in CONF.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(" ")
        if name.startswith(_ENCODING):
            redis.config_set(name, value)
