"""What is told: one message for all the news, the gravest first, short enough for any chat service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

from hookline_console.alarms.alarm import Severity
from hookline_console.alarms.book import Kind, News
from hookline_console.alarms.wording import count, duration, moment

LONGEST = 1700
"""Characters; some chat services refuse more than 2,000."""


class Message(NamedTuple):
    """A message to a person."""

    title: str
    body: str
    grade: str
    """What Apprise calls its type: `failure`, `warning` or `success`."""


def compose(
    news: Sequence[News], at_ms: int, zone: tzinfo | None = None, console_url: str | None = None
) -> Message:
    """What doesn't fit is counted. The console's address, where it is known, stands at the end."""
    parts: list[str] = []
    for number, each in enumerate(news):
        part = _told(each, at_ms, zone)
        left = count(len(news) - number, "more alarm")
        if parts and sum(map(len, parts)) + len(part) > LONGEST:
            parts.append(f"… and {left}; the console shows them.")
            break
        parts.append(part)
    if console_url:
        parts.append(console_url)
    more = f" (and {len(news) - 1} more)" if len(news) > 1 else ""
    return Message(f"Hookline: {_title(news[0])}{more}", "\n\n".join(parts), _grade(news))


def _title(news: News) -> str:
    return f"over: {news.alarm.title}" if news.kind in (Kind.OVER, Kind.WAS) else news.alarm.title


def _told(news: News, at_ms: int, zone: tzinfo | None) -> str:
    alarm = news.alarm
    since, until = moment(news.since_ms, at_ms, zone), moment(news.until_ms, at_ms, zone)
    lasted = duration(news.until_ms - news.since_ms)
    match news.kind:
        case Kind.OVER:
            return f"Over: {alarm.title}. It was so from {since} to {until} ({lasted})."
        case Kind.WAS:
            return f"Over by now: {alarm.title}. It was so from {since} to {until} ({lasted}). {alarm.text}"
        case Kind.STILL:
            return f"Still, for {lasted}: {alarm.title}. {alarm.text}\nWhat to do: {alarm.todo}"
        case _:
            return f"{alarm.title}. {alarm.text}\nWhat to do: {alarm.todo}"


def _grade(news: Sequence[News]) -> str:
    up = [each.alarm.severity for each in news if each.kind in (Kind.NEW, Kind.STILL)]
    if not up:
        return "success"
    return "warning" if max(up) is Severity.WARNING else "failure"
