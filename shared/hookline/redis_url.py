"""What a Redis URL may say, and how it is shown: with its password struck out, however broken it is."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

SENTINEL_PORT = 26379
LARGEST_PORT = 65_535

_SCHEMES = ("redis", "rediss", "unix")
_SENTINEL_EXAMPLE = "redis+sentinel://host1:26379,host2:26379,host3:26379/mymaster/0"
_ARGUMENTS = re.compile(
    r"db|username|password|max_connections|ssl_(?:ca_certs|ca_data|ca_path|cert_reqs|certfile|keyfile|password"
    r"|check_hostname|ciphers|min_version|include_verify_flags|exclude_verify_flags)"
)
"""What both clients of redis-py take; it lets a URL's arguments win over those of the code."""
_USER_AND_PASSWORD = re.compile(
    r"(?is)^(?P<scheme>[a-z+]+://|(?![a-z+]+://))(?:(?P<user>[^:@/?#]*):.*|[^/].*)@"
)
_SECRET_ARGUMENT = re.compile(r"(?is)([?&][a-z_]*password=).*")
"""To the end: an unescaped & or # may be a part of it."""


_SENTINEL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?P<user>[^/?#]*@)?(?P<hosts>[^/?#@]*)"
    r"(?:/(?P<service>[^/?#]*))?(?P<database>/[^/?#]*)?(?P<query>\?.*)?",
    re.DOTALL,
)
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\],\s]+)(?::(?P<port>[0-9]{1,5}))?")


class SentinelUrl(NamedTuple):
    """What a `redis+sentinel://` URL says."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    redis_url: str
    """The same for a single Redis: its user, password, database and arguments, at a host that is none."""


def sentinel_url(url: str) -> SentinelUrl | None:
    """What a checked URL says of its sentinels; None where it names a Redis itself."""
    parts = _SENTINEL.fullmatch(url)
    if parts is None:
        return None
    hosts = [_HOST.fullmatch(each) for each in parts["hosts"].split(",")]
    return SentinelUrl(
        tuple((each["name"].strip("[]"), int(each["port"] or SENTINEL_PORT)) for each in hosts if each),
        unquote(parts["service"] or ""),
        _without_sentinels(parts),
    )


def describe(url: str) -> str:
    """The URL for a log or an error: user and host as they are, every password replaced by `***`."""
    without_user = _USER_AND_PASSWORD.sub(_keep_the_user, url)
    return _SECRET_ARGUMENT.sub(r"\g<1>***", without_user)


def passwords(url: str) -> list[str]:
    """The passwords that a well-formed URL carries, so that they can be struck out of logs."""
    parts = urlsplit(url)
    arguments = parse_qs(parts.query)
    found = [value for name, values in arguments.items() if name.endswith("password") for value in values]
    return [*found, *([unquote(parts.password)] if parts.password else [])]


def checked_url(url: str) -> str:
    """The URL itself; ValueError, which shows no password, when redis-py could not connect to it."""
    problem = _problem(url)
    if problem:
        raise ValueError(f"{describe(url)!r} {problem}")
    return url


def _problem(url: str) -> str | None:
    """What is wrong with the URL and the way out, or None."""
    sentinel = _SENTINEL.fullmatch(url)
    if sentinel is not None:
        return _problem_with_the_sentinels(sentinel) or _problem(_without_sentinels(sentinel))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message quotes parts of the URL, perhaps of the password
        parts, port = urlsplit(""), None
    if not re.match(r"(redis|rediss|unix|rediss?\+sentinel)://", url):
        return (
            "is no Redis URL: it begins with redis://, rediss:// (TLS) or unix://, "
            "or with redis+sentinel:// or rediss+sentinel://"
        )
    if parts.scheme not in _SCHEMES or parts.fragment or port == 0:
        return (
            "cannot be read: a port is a number up to 65535, and / ? # @ in a password are written "
            "%2F %3F %23 %40 (or give the password by redis.password)"
        )
    if parts.scheme == "unix" and not parts.path:
        return "names no socket: unix:///path/to/redis.sock"
    if parts.scheme != "unix":
        if not parts.hostname:
            return "names no host: redis://host:6379/0"
        if not re.fullmatch(r"/?[0-9]*", parts.path):
            return "names a database that is no number: redis://host:6379/0"
    return _problem_with_the_arguments(parts.query, is_tls=parts.scheme == "rediss")


def _problem_with_the_sentinels(parts: re.Match[str]) -> str | None:
    hosts = [_HOST.fullmatch(each) for each in parts["hosts"].split(",")]
    if not all(each and 0 < int(each["port"] or SENTINEL_PORT) <= LARGEST_PORT for each in hosts):
        return f"names its sentinels in a way that cannot be read: {_SENTINEL_EXAMPLE}"
    if not parts["service"]:
        return f"names no service, as the sentinels call what they watch: {_SENTINEL_EXAMPLE}"
    return None


def _without_sentinels(parts: re.Match[str]) -> str:
    database, query = parts["database"] or "", parts["query"] or ""
    return f"{parts['scheme']}://{parts['user'] or ''}primary{database}{query}"


def _problem_with_the_arguments(query: str, *, is_tls: bool) -> str | None:
    arguments = parse_qs(query)
    unknown = sorted(name for name in arguments if not _ARGUMENTS.fullmatch(name))
    if unknown:
        return (
            f"has arguments that cannot be set there: {', '.join(unknown)}; there are db, password and ssl_…"
        )
    if not is_tls and any(name.startswith("ssl_") for name in arguments):
        return "has ssl_… arguments and no TLS: begin it with rediss:// or rediss+sentinel://"
    numbers = (name for name in ("db", "max_connections") if name in arguments)
    wrong = next((name for name in numbers if not arguments[name][0].isdecimal()), None)
    return f"has a {wrong} that is no number" if wrong else None


def _keep_the_user(match: re.Match[str]) -> str:
    user = match["user"]
    return f"{match['scheme']}{'***' if user is None else f'{user}:***'}@"
