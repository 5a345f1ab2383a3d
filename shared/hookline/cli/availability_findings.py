"""Does what was answered 202 outlive a machine? Sentinel, TLS, and what `redis.ack` asks of this Redis."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis

from hookline.acknowledged import acknowledgement_problem
from hookline.cli.findings import Finding, doubtful, right, wrong
from hookline.primary import sentinels_of
from hookline.redis_url import sentinel_url
from hookline.settings import Redis as RedisSettings

_SENTINEL = "redis sentinel"
_ACK = "redis.ack"


def configured(client: redis.Redis, name: str) -> str | None:
    """What Redis is configured to; None where a managed one doesn't tell."""
    try:
        return {_text(key): _text(value) for key, value in client.config_get(name).items()}.get(name)
    except redis.ResponseError:
        return None


def examine_sentinels(client: redis.Redis, settings: RedisSettings) -> list[Finding]:
    """Does each sentinel answer, do they agree, and would they agree on another primary?"""
    url = sentinel_url(settings.url)
    if url is None:
        return []
    findings: list[Finding] = []
    named: dict[str, redis.Redis] = {}
    for address, sentinel in sentinels_of(client):
        finding, primary = _ask(address, sentinel, url.service)
        findings.append(finding)
        if primary:
            named.setdefault(primary, sentinel)
    if len(named) > 1:
        told = f"the sentinels name different primaries: {', '.join(named)}"
        findings.append(doubtful(_SENTINEL, told, "wait for a failover that is under way, then look again"))
    if len(url.sentinels) == 1:
        told = "only one is named: while it is away, no new connection finds the primary"
        findings.append(doubtful(_SENTINEL, told, "name all of them in redis.url"))
    return [*findings, *(_quorum(sentinel, url.service) for sentinel in list(named.values())[:1])]


def _ask(address: str, sentinel: redis.Redis, service: str) -> tuple[Finding, str]:
    """What there is to say of one sentinel, and the primary that it names."""
    try:
        answer: Any = sentinel.sentinel_get_master_addr_by_name(service)
    except redis.AuthenticationError as error:
        return wrong(_SENTINEL, f"{address} refuses us: {error}", "set redis.sentinel_password"), ""
    except redis.RedisError as error:
        return doubtful(
            _SENTINEL, f"{address} does not answer: {error}", "start it, or correct redis.url"
        ), ""
    if answer is None:
        told = f"{address} watches no {service!r}"
        return wrong(_SENTINEL, told, "correct the service in redis.url, or its `sentinel monitor`"), ""
    host, port = map(_text, answer)
    return right(_SENTINEL, f"{address} answers; the primary is {host}:{port}"), f"{host}:{port}"


def _quorum(sentinel: redis.Redis, service: str) -> Finding:
    try:
        sentinel.execute_command("SENTINEL CKQUORUM", service)  # type: ignore[no-untyped-call]
    except redis.ResponseError as error:
        return doubtful(_SENTINEL, f"no failover would come about: {error}", "bring the other sentinels back")
    except redis.RedisError as error:
        return doubtful(_SENTINEL, f"its quorum could not be asked for: {error}")
    return right(_SENTINEL, "enough of them agree for a failover")


def examine_tls(settings: RedisSettings) -> list[Finding]:
    """Is the server at the other end of the encryption the right one?"""
    sentinels = sentinel_url(settings.url)
    parts = urlsplit(sentinels.redis_url if sentinels else settings.url)
    if parts.scheme != "rediss":
        return []
    if parse_qs(parts.query).get("ssl_cert_reqs", ["required"])[0] != "required":
        told = "the certificate is not verified: whoever is in between reads and changes everything"
        return [doubtful("redis tls", told, "remove ssl_cert_reqs, and name the authority by ssl_ca_certs")]
    return [right("redis tls", "yes, and the certificate is verified")]


def examine_acknowledgement(
    client: redis.Redis, info: dict[str, Any], settings: RedisSettings
) -> list[Finding]:
    """Can this Redis do what a 202 is to wait for, and is that enough?"""
    if settings.ack == "disk":
        return [_disk(settings)]
    if settings.ack == "replica":
        return [_replicas(info, settings.ack_replicas)]
    if sentinel_url(settings.url) is None:
        return []
    told = "memory: a 202 that the replicas don't have yet is lost in a failover"
    return [doubtful(_ACK, told, 'set redis.ack = "replica"'), *_split(client)]


def _disk(settings: RedisSettings) -> Finding:
    problem = acknowledgement_problem(settings)
    return wrong(_ACK, problem) if problem else right(_ACK, "disk, which this Redis can wait for")


def _replicas(info: dict[str, Any], wanted: int) -> Finding:
    replicas = [value for name, value in info.items() if name.startswith("slave") and isinstance(value, dict)]
    online = sum(replica.get("state") == "online" for replica in replicas)
    told = f"replica: {wanted} must have a commit, and {online} {'is' if online == 1 else 'are'} there"
    if online < wanted:
        return wrong(_ACK, f"{told}, so nothing is committed", "start replicas, or lower redis.ack_replicas")
    if online == wanted:
        return doubtful(_ACK, f"{told}: without one of them nothing is committed", "run one more")
    return right(_ACK, told)


def _split(client: redis.Redis) -> list[Finding]:
    """Without replicas to wait for, a primary that is cut off from the others goes on taking events."""
    name = "min-replicas-to-write"
    if configured(client, name) != "0":
        return []
    told = "0: a primary that is cut off from the others takes events that are thrown away later"
    return [doubtful(f"redis {name}", told, f"set {name} 1 and min-replicas-max-lag 10 on every server")]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
