"""Tells people, through Apprise, whose URLs say whom and how. A URL is a secret, in whole and in parts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from apprise import Apprise, AppriseAsset, NotifyFormat

from hookline.errors import SettingsError
from hookline.printable import one_line
from hookline.references import keep_secret, resolve_secret, strike_out
from hookline_console.alarms.message import Message

TIMEOUT_SECONDS = 20.0
SHORTEST_PART = 10
"""A part of a URL that is shorter, such as the name of a room, is no secret, and a word in other lines."""
LONGEST_REASON = 300

# What it says of a message comes with its answer; its lines would tell the same again, and with the URL.
logging.getLogger("apprise").propagate = False


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is told. `reference` is where the settings have the URL from."""

    reference: str
    service: str
    """What Apprise calls it: `ntfy`, `Discord`, `E-Mail`."""
    apprise: Apprise

    def tell(self, message: Message) -> str:
        """Empty when the service took the message, else why not. Takes as long as `TIMEOUT_SECONDS`."""
        try:
            answer = self.apprise.notify(
                title=message.title,
                body=message.body,
                notify_type=message.grade,
                body_format=NotifyFormat.TEXT,
                timeout=TIMEOUT_SECONDS,
            )
        except Exception as error:  # a hundred services' code
            return _reason([f"{type(error).__name__}: {error}"])
        if answer:
            return ""
        return _reason([each.message for each in answer.logs() if each.level in ("WARNING", "ERROR")])


def targets(references: tuple[str, ...]) -> list[Target]:
    """Everybody who is told; raises SettingsError that names a reference to no Apprise URL, never the URL."""
    return [_target(reference) for reference in references]


def _target(reference: str) -> Target:
    url = resolve_secret(reference).decode("utf-8", "replace")
    for part in _secret_parts(url):
        keep_secret(part)
    apprise = Apprise(asset=AppriseAsset(app_id="Hookline", app_desc="Hookline's alarms", async_mode=False))
    if not apprise.add(url):
        raise SettingsError(
            f"alarms.to: what {reference!r} points to is no Apprise URL that can be used; "
            "docs/alarms.md shows some, as ntfy://host/topic or mailtos://user:password@host"
        )
    return Target(reference, str(apprise[0].service_name), apprise)


def _secret_parts(url: str) -> Iterator[str]:
    """Passwords, and whatever else may be a token; not the name of a host."""
    split = urlsplit(url)
    if split.password:
        yield unquote(split.password)
    long = [split.username or "", *split.path.split("/"), *(value for _, value in parse_qsl(split.query))]
    if split.hostname and "." not in split.hostname:  # with many services a token stands there
        long.append(split.netloc.rpartition("@")[2])
    for part in long:
        if len(part) >= SHORTEST_PART:
            yield part
            yield unquote(part)


def _reason(said: list[str]) -> str:
    reason = strike_out(one_line(" ".join(said))) or "it was not taken, and nothing says why"
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"
