"""Reads the figures in four pipelined round trips, whose cost does not grow with the events stored."""

from __future__ import annotations

import time
from typing import NamedTuple

from hookline.figures.asking import Command, ask, ask_in_parts
from hookline.figures.counters import Counters
from hookline.figures.kinds import ActionFigures, Figures, GroupFigures, RedisFigures, SourceFigures
from hookline.figures.processes import group, receiver, worker
from hookline.figures.server import redis_figures
from hookline.figures.waiting import IN_QUEUE, JOBS, Head, oldest_waiting
from hookline.keys import (
    COUNTERS_KEY,
    DEAD_PREFIX,
    DONE_PREFIX,
    LANES_KEY,
    PAUSED_KEY,
    RECEIVER_PREFIX,
    RECEIVERS_KEY,
)
from hookline.lanes import action_lane, paused_actions, source_lane
from hookline.operations import named, redis_ms, text
from hookline.queue import JOB_PREFIX, QueueKeys
from hookline.store import Store


class _Overview(NamedTuple):
    """The totals, and the names of all that there is more to ask of."""

    at_ms: int
    counters: Counters
    sources: list[str]
    paused: dict[str, int]
    lists: dict[str, str]
    """By lane, the key of the list in which its jobs wait; without the lanes that are paused."""
    workers: list[str]
    """Their keys."""
    receivers: list[str]
    redis: RedisFigures


class _Details(NamedTuple):
    """What is known of each of these, in the order of the overview; empty where it is gone meanwhile."""

    done: list[int]
    dead: list[int]
    waiting_jobs: list[list[bytes]]
    workers: list[dict[bytes, bytes]]
    executions: list[set[bytes]]
    receivers: list[dict[bytes, bytes]]


def read_figures(store: Store) -> Figures:
    """The figures as they are now. Raises what redis-py raises while Redis is away."""
    overview = _overview(store)
    details = _details(store, overview)
    heads, groups = _jobs(store, overview, details)
    waiting = oldest_waiting(store, heads, overview.paused, overview.at_ms)
    return Figures(
        at_ms=overview.at_ms,
        sources=_sources(overview, details, waiting),
        rejected=overview.counters.rejected,
        actions=_actions(overview),
        workers=tuple(
            worker(key, named(fields), own)
            for key, fields, own in zip(overview.workers, details.workers, groups, strict=True)
            if fields
        ),
        receivers=tuple(
            receiver(name, named(fields))
            for name, fields in zip(overview.receivers, details.receivers, strict=True)
            if fields
        ),
        commits=overview.counters.commits,
        redis=overview.redis,
    )


def _overview(store: Store) -> _Overview:
    keys = QueueKeys(store.queue_name)
    commands: list[Command] = [
        ("TIME",),
        ("HGETALL", COUNTERS_KEY),
        ("HGETALL", PAUSED_KEY),
        ("ZRANGE", LANES_KEY, 0, -1),
        ("SMEMBERS", keys.workers),
        ("ZRANGE", RECEIVERS_KEY, 0, -1),
        ("INFO",),
        ("CONFIG GET", "appendfsync"),
    ]
    began_at = time.monotonic()
    *needed, info, config = ask(store.redis, commands, may_fail=2)
    response_ms = (time.monotonic() - began_at) * 1000
    at, totals, pauses, lanes, workers, receivers = needed
    paused = {lane: int(since) for lane, since in named(pauses).items()}
    counters = Counters(named(totals))
    of_actions = {action_lane(action) for action in paused_actions(frozenset(paused))}
    return _Overview(
        at_ms=redis_ms(at),
        counters=counters,
        sources=sorted(counters.sources.keys() | (paused.keys() - of_actions)),
        paused=paused,
        lists={IN_QUEUE: keys.queue} | {lane: keys.lane(lane) for lane in text(lanes) if lane not in paused},
        workers=sorted(text(workers)),
        receivers=sorted(text(receivers)),
        redis=redis_figures(info, config, response_ms),
    )


def _details(store: Store, overview: _Overview) -> _Details:
    questions: list[list[Command]] = [
        [("ZCARD", DONE_PREFIX + source) for source in overview.sources],
        [("ZCARD", DEAD_PREFIX + source) for source in overview.sources],
        [("LRANGE", key, 0, JOBS - 1) for key in overview.lists.values()],
        [("HGETALL", key) for key in overview.workers],
        [("SMEMBERS", f"{key}:executions") for key in overview.workers],
        [("HGETALL", RECEIVER_PREFIX + name) for name in overview.receivers],
    ]
    return _Details(*ask_in_parts(store.redis, questions))


def _jobs(
    store: Store, overview: _Overview, details: _Details
) -> tuple[list[Head], list[list[GroupFigures]]]:
    """The jobs that wait at the heads of the lanes, and for each worker the groups that it is running."""
    waiting = [
        (lane, job) for lane, jobs in zip(overview.lists, details.waiting_jobs, strict=True) for job in jobs
    ]
    running = [[member.rpartition(b":")[0] for member in members] for members in details.executions]
    ids = list({job for _, job in waiting}.union(*running))
    commands: list[Command] = [("HMGET", JOB_PREFIX.encode() + job, "data", "started_at") for job in ids]
    answers = ask(store.redis, commands, may_fail=len(ids))  # in the queue may be anything
    found = {job: fields for job, fields in zip(ids, answers, strict=True) if isinstance(fields, list)}
    heads = [Head(lane, found[job][0]) for lane, job in waiting if job in found]
    return heads, [[group(*found[job]) for job in jobs if job in found and found[job][0]] for jobs in running]


def _sources(overview: _Overview, details: _Details, waiting: dict[str, int]) -> dict[str, SourceFigures]:
    return {
        name: SourceFigures(
            **overview.counters.sources.get(name, {}),
            done_now=done,
            dead_now=dead,
            oldest_waiting_ms=waiting.get(name),
            paused_since_ms=overview.paused.get(source_lane(name)),
        )
        for name, done, dead in zip(overview.sources, details.done, details.dead, strict=True)
    }


def _actions(overview: _Overview) -> dict[str, ActionFigures]:
    totals = overview.counters.actions
    return {
        name: ActionFigures(**totals.get(name, {}), paused_since_ms=overview.paused.get(action_lane(name)))
        for name in sorted(totals.keys() | paused_actions(frozenset(overview.paused)))
    }
