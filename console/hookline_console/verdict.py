"""Is everything well? What is not, the worst first, each with the page where it is put right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from hookline.figures import Figures, ReceiverFigures, RedisFigures
from hookline.settings import Settings
from hookline_console import health
from hookline_console.reading import Reading
from hookline_console.wording import age, count, percent

FEWEST_ATTEMPTS = 5
"""Fewer in an hour say nothing of an action."""
FAILING = 0.5
NEARLY_FULL = 0.8
Grade = Literal["bad", "late"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should see to."""

    grade: Grade
    """`bad` wants to be put right now."""
    text: str
    href: str


def problems(reading: Reading, settings: Settings) -> list[Problem]:
    """Everything that is wrong."""
    figures = reading.figures
    found = [
        *_redis(figures.redis, settings),
        *_receivers(figures),
        *_workers(figures),
        *_waiting(figures, settings),
        *_actions(reading),
        *_sources(reading, settings),
    ]
    return sorted(found, key=lambda problem: problem.grade != "bad")


def _redis(redis: RedisFigures, settings: Settings) -> Iterator[Problem]:
    if redis.role not in ("", "master"):
        yield Problem("bad", "Redis is a replica and takes no writes", "#redis")
    if redis.aof_last_write_ok is False:
        yield Problem("bad", "Redis could not write to its append-only file", "#redis")
    if redis.aof_enabled is False:
        yield Problem("bad", "Redis has no append-only file: a restart loses what was accepted", "#redis")
    if redis.maxmemory and redis.used_memory is not None:
        used = redis.used_memory / redis.maxmemory
        most = settings.receiver.max_redis_memory_percent / 100
        if used >= most:
            yield Problem(
                "bad", f"Redis is full ({percent(used)}), so that deliveries are held back", "#redis"
            )
        elif used >= most * NEARLY_FULL:
            yield Problem("late", f"Redis is nearly full ({percent(used)} of its memory)", "#redis")


def _receivers(figures: Figures) -> Iterator[Problem]:
    if not figures.receivers:
        yield Problem("bad", "No receiver runs, so that senders reach nobody", "#receivers")
    for receiver in figures.receivers:
        where = f"{receiver.host}, process {receiver.pid}"
        if receiver.state == "refusing":
            since = receiver.refused_since_ms or figures.at_ms
            told = f"A receiver ({where}) has refused deliveries for {age(figures.at_ms - since)}"
            yield Problem("bad", told, "#receivers")
        elif receiver.state == "spooling":
            yield Problem("late", f"A receiver ({where}) keeps deliveries in its spool", "#receivers")
        if _spool_share(receiver) >= NEARLY_FULL:
            share = percent(_spool_share(receiver))
            yield Problem("bad", f"The spool of a receiver ({where}) is {share} full", "#receivers")


def _workers(figures: Figures) -> Iterator[Problem]:
    if not figures.workers:
        yield Problem("bad", "No worker runs, so that events only wait", "#workers")
    for worker in figures.workers:
        if worker.state == "suspended":
            yield Problem("late", f"A worker ({worker.host}, process {worker.pid}) is suspended", "#workers")


def _waiting(figures: Figures, settings: Settings) -> Iterator[Problem]:
    oldest_ms = figures.oldest_waiting_ms
    if oldest_ms is not None and oldest_ms > settings.alarms.backlog_seconds * 1000:
        told = f"The oldest event has waited for {age(oldest_ms)}"
        yield Problem("bad", told, "/events?state=queued")
    if figures.dead_now:
        plural = "s" if figures.dead_now != 1 else ""
        yield Problem(
            "late",
            f"There {'are' if plural else 'is'} {count(figures.dead_now)} dead letter{plural}",
            "/dead",
        )


def _actions(reading: Reading) -> Iterator[Problem]:
    for action in health.actions(reading):
        since_ms = action.figures.paused_since_ms
        if since_ms is not None:
            since = age(reading.figures.at_ms - since_ms)
            yield Problem("late", f"The action {action.name} has been paused for {since}", "#actions")
        elif action.attempts >= FEWEST_ATTEMPTS and action.failure_rate >= FAILING:
            told = (
                f"{action.name} failed in {percent(action.failure_rate)} of its {count(action.attempts)} "
                "attempts of the last hour"
            )
            yield Problem("bad", told, "#actions")


def _sources(reading: Reading, settings: Settings) -> Iterator[Problem]:
    for source in health.sources(reading, settings):
        href = f"/sources/{quote(source.name)}"
        if source.figures.paused_since_ms is not None:
            since = age(reading.figures.at_ms - source.figures.paused_since_ms)
            told = (
                f"The source {source.name} has been paused for {since}, and {count(source.figures.open)} wait"
            )
            yield Problem("late", told, href)
        if source.is_silent and source.last_age_ms is not None:
            yield Problem("late", f"Nothing has come from {source.name} for {age(source.last_age_ms)}", href)
        if forged := source.rejected.get("signature"):
            deliveries = "delivery" if forged == 1 else "deliveries"
            told = f"{count(forged)} {deliveries} to {source.name} had a wrong signature in the last hour"
            yield Problem("late", told, href)


def _spool_share(receiver: ReceiverFigures) -> float:
    return receiver.spool_bytes / receiver.spool_max_bytes if receiver.spool_max_bytes else 0.0
