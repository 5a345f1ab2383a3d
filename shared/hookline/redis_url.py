"""What a Redis URL may say, and how it is shown: with its password struck out, however broken it is."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

_SCHEMES = ("redis", "rediss", "unix")
_ARGUMENTS = re.compile(r"db|username|password|max_connections|ssl_[a-z_]+")
_USER_AND_PASSWORD = re.compile(
    r"(?is)^(?P<scheme>[a-z]+://|(?![a-z]+://))(?:(?P<user>[^:@/?#]*):.*|[^/].*)@"
)
_SECRET_ARGUMENT = re.compile(r"(?is)([?&][a-z_]*password=).*")
"""To the end: an unescaped & or # may be a part of it."""


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
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message quotes parts of the URL, perhaps of the password
        parts, port = urlsplit(""), None
    if not re.match(r"(redis|rediss|unix)://", url):
        return "is no Redis URL: it begins with redis://, rediss:// (TLS) or unix://"
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
    return _problem_with_the_arguments(parts.query)


def _problem_with_the_arguments(query: str) -> str | None:
    arguments = parse_qs(query)
    unknown = sorted(name for name in arguments if not _ARGUMENTS.fullmatch(name))
    if unknown:
        return (
            f"has arguments that cannot be set there: {', '.join(unknown)}; there are db, password and ssl_…"
        )
    numbers = (name for name in ("db", "max_connections") if name in arguments)
    wrong = next((name for name in numbers if not arguments[name][0].isdecimal()), None)
    return f"has a {wrong} that is no number" if wrong else None


def _keep_the_user(match: re.Match[str]) -> str:
    user = match["user"]
    return f"{match['scheme']}{'***' if user is None else f'{user}:***'}@"
