"""Docker's health checks: exit 0 where this container does its work, else say why not and exit 1.

`health.py receiver`: it would commit a delivery now. `health.py worker`: a worker process of this very
container has told Redis within the last minute that it lives. `health.py console`: it answers.
"""

from __future__ import annotations

import http.client
import socket
import sys
from datetime import UTC, datetime, timedelta

from redis import Redis, RedisError

from hookline.connections import connect
from hookline.errors import HooklineError
from hookline.queue import PREFIX
from hookline.settings import load_settings

TIMEOUT_SECONDS = 3.0
HEARTBEAT_AGE = timedelta(seconds=60)


class UnhealthyError(Exception):
    """Raised when the container does not do its work; the message says what is missing."""


def receiver(host: str, port: int) -> None:
    """Ask the admin port whether a delivery would be committed."""
    _ask(host, port, "/readyz")


def console(host: str, port: int) -> None:
    """Ask the page whether it is alive; that Redis is away it tells itself."""
    _ask(host, port, "/healthz")


def _ask(host: str, port: int, path: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            said = answer.read(200).decode(errors="replace")
            raise UnhealthyError(f"{path} answers {answer.status}: {said}")
    finally:
        connection.close()


def worker(redis: Redis, hostname: str, now: datetime) -> None:
    """Look for a fresh heartbeat among the workers that RQ knows of on `hostname`."""
    pipeline = redis.pipeline(transaction=False)
    for key in redis.smembers(f"{PREFIX}workers"):
        pipeline.hmget(key, "hostname", "last_heartbeat")
    known = pipeline.execute()
    heartbeats = [heartbeat for host, heartbeat in known if host == hostname.encode() and heartbeat]
    if not heartbeats:
        raise UnhealthyError(f"no worker of {hostname} is registered in Redis")
    newest = max(datetime.fromisoformat(heartbeat.decode()) for heartbeat in heartbeats)
    if now - newest > HEARTBEAT_AGE:
        raise UnhealthyError(f"the last heartbeat of {hostname} was at {newest.isoformat()}")


def main(role: str) -> None:
    """Check the `role` that this container has, by its own settings."""
    settings = load_settings()
    if role == "receiver":
        receiver("127.0.0.1", settings.receiver.admin_port)
    elif role == "console":
        console("127.0.0.1", settings.console.port)
    else:
        redis = connect(settings.redis, client_name="health", response_timeout_seconds=TIMEOUT_SECONDS)
        worker(redis, socket.gethostname(), datetime.now(UTC))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (UnhealthyError, HooklineError, RedisError, OSError, http.client.HTTPException) as error:
        sys.exit(str(error))
