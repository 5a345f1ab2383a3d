"""The figures as Prometheus reads them; docs/metrics.md says what each one means.

They are Redis's and not this process's: whichever receiver is asked, the answer is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import INF

from hookline.figures import (
    ActionFigures,
    CommitFigures,
    Figures,
    ReceiverFigures,
    RedisFigures,
    SourceFigures,
)
from hookline_receiver.tally import REASONS

Samples = Iterable[tuple[Sequence[str], float]]
"""The values of the labels, and the value."""

OUTCOMES = ("done", "retrying", "dead")
RECEIVER_STATES = ("ready", "spooling", "refusing", "stopping")
WORKER_STATES = ("started", "idle", "busy", "suspended")

_SOURCE_COUNTERS = {
    "received": ("received", "New events that were received."),
    "duplicates": ("repeated", "Deliveries of events that had been received before."),
    "spooled": ("spooled", "Deliveries that a receiver kept on its disk, since Redis did not take them."),
    "done": ("done", "Times that an event was finished, all its runs having succeeded."),
    "dead": ("dead", "Times that an event became a dead letter."),
    "replayed": ("replayed", "Times that an event was put back to run again."),
    "purged": ("purged", "Events that were deleted, their retention being over, or by a person."),
}
_SOURCE_GAUGES = {
    "backlog_events": ("open", "Unfinished events."),
    "ready_events": ("ready", "Unfinished events that a worker could run now, or is running."),
    "retrying_events": ("retrying", "Unfinished events that wait for their next attempt."),
    "paused_events": ("paused", "Unfinished events that wait for paused actions alone."),
    "dead_letters": ("dead_now", "Dead letters that are stored."),
    "stored_events": ("stored", "Events that are stored."),
}
"""By name: the field of the figures, and what it is."""


def metrics(figures: Figures) -> Iterator[Metric]:
    """All that there is to tell while Redis is there."""
    yield _redis_up(is_up=True)
    yield from _of_redis(figures.redis)
    yield from _of_sources(figures)
    yield from _of_actions(figures.actions)
    yield from _of_commits(figures.commits)
    yield from _of_processes(figures)
    yield from _spools(figures.receivers)


def without_redis(own: ReceiverFigures) -> Iterator[Metric]:
    """What a receiver knows by itself."""
    yield _redis_up(is_up=False)
    yield from _spools([own])


def _redis_up(*, is_up: bool) -> Metric:
    return _gauge("redis_up", "Whether Redis told this receiver the figures.", [((), is_up)])


def _spools(receivers: Iterable[ReceiverFigures]) -> Iterator[Metric]:
    """Of receivers on one host with the same folder it is one spool, of which each tells the same."""
    by_place = {(each.host, each.spool_folder): each for each in receivers if each.spool_folder}
    for name, help_text in {
        "spool_events": "Deliveries that wait on a receiver's disk for Redis.",
        "spool_bytes": "What they take.",
        "spool_max_bytes": "What they may take.",
    }.items():
        samples = ((place, getattr(each, name)) for place, each in sorted(by_place.items()))
        yield _gauge(name, help_text, samples, "host", "folder")


def _of_redis(redis: RedisFigures) -> Iterator[Metric]:
    for name, help_text, value in (
        ("redis_response_seconds", "How long Redis took to answer.", redis.response_ms / 1000),
        ("redis_memory_bytes", "Memory that Redis uses.", redis.used_memory),
        ("redis_max_memory_bytes", "Memory that Redis may use; 0 where it may use all.", redis.maxmemory),
        ("redis_aof_enabled", "Whether Redis writes an append-only file.", redis.aof_enabled),
        ("redis_aof_last_write_ok", "Whether its last write to it went well.", redis.aof_last_write_ok),
        ("redis_rdb_last_save_ok", "Whether its last snapshot went well.", redis.rdb_last_save_ok),
        ("redis_replicas", "Replicas that are connected.", redis.connected_replicas),
    ):
        if value is not None:
            yield _gauge(name, help_text, [((), value)])


def _of_sources(figures: Figures) -> Iterator[Metric]:
    sources = figures.sources
    for name, (field, help_text) in _SOURCE_COUNTERS.items():
        yield _counter(name, help_text, _fields(sources, field), "source")
    for name, (field, help_text) in _SOURCE_GAUGES.items():
        yield _gauge(name, help_text, _fields(sources, field), "source")
    yield _rejected(figures)
    yield _gauge(
        "oldest_waiting_seconds",
        "For how long the oldest event that waits for a worker has done so; 0 where none does.",
        (((name,), (each.oldest_waiting_ms or 0) / 1000) for name, each in sources.items()),
        "source",
    )
    yield _gauge(
        "last_received_timestamp_seconds",
        "When the latest new event came, as Unix time.",
        (((name,), each.last_at_ms / 1000) for name, each in sources.items() if each.last_at_ms),
        "source",
    )
    yield _gauge("source_paused", "Whether a source is paused.", _pauses(sources), "source")


def _rejected(figures: Figures) -> Metric:
    """Those that are none yet, too: a rate needs something to begin from."""
    by_source = {"": figures.rejected} | {name: each.rejected for name, each in figures.sources.items()}
    samples = (
        ((source, reason), n)
        for source, rejected in by_source.items()
        for reason, n in (dict.fromkeys(REASONS, 0) | rejected).items()
    )
    help_text = "Requests that were refused, by why; without a source where they were none's."
    return _counter("rejected", help_text, samples, "source", "reason")


def _of_actions(actions: Mapping[str, ActionFigures]) -> Iterator[Metric]:
    runs = (
        ((name, outcome), getattr(each, outcome)) for name, each in actions.items() for outcome in OUTCOMES
    )
    yield _counter("runs", "Attempts of actions, by how they ended.", runs, "action", "outcome")
    took = HistogramMetricFamily("hookline_run_seconds", "How long attempts took.", labels=["action"])
    for name, each in actions.items():
        took.add_metric([name], _cumulated(each.buckets, 1000), each.total_ms / 1000)
    yield took
    yield _gauge("action_paused", "Whether an action is paused.", _pauses(actions), "action")


def _of_commits(commits: CommitFigures) -> Iterator[Metric]:
    yield _counter(
        "committed", "Deliveries that were committed, duplicates included.", [((), commits.events)]
    )
    yield HistogramMetricFamily(
        "hookline_commit_seconds",
        "How long commits took.",
        buckets=_cumulated(commits.buckets, 1000),
        sum_value=commits.total_ms / 1000,
    )
    yield HistogramMetricFamily(
        "hookline_group_events",
        "How many deliveries were in a commit.",
        buckets=_cumulated(commits.group_buckets),
        sum_value=commits.events,
    )


def _of_processes(figures: Figures) -> Iterator[Metric]:
    workers = dict.fromkeys(WORKER_STATES, 0) | Counter(each.state for each in figures.workers)
    receivers = dict.fromkeys(RECEIVER_STATES, 0) | Counter(each.state for each in figures.receivers)
    groups = sum(len(worker.groups) for worker in figures.workers)
    yield _gauge("workers", "Worker processes.", (((state,), n) for state, n in workers.items()), "state")
    yield _gauge(
        "receivers", "Receiver processes.", (((state,), n) for state, n in receivers.items()), "state"
    )
    yield _gauge("running_groups", "Groups of events that workers are running.", [((), groups)])


def _counter(name: str, help_text: str, samples: Samples, *labels: str) -> Metric:
    family = CounterMetricFamily(f"hookline_{name}", help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _gauge(name: str, help_text: str, samples: Samples, *labels: str) -> Metric:
    family = GaugeMetricFamily(f"hookline_{name}", help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _fields(each_by_name: Mapping[str, object], field: str) -> Samples:
    return (((name,), getattr(each, field)) for name, each in each_by_name.items())


def _pauses(each_by_name: Mapping[str, SourceFigures] | Mapping[str, ActionFigures]) -> Samples:
    return (((name,), each.paused_since_ms is not None) for name, each in each_by_name.items())


def _cumulated(buckets: Mapping[float, int], per_unit: int = 1) -> list[tuple[str, float]]:
    """As Prometheus wants them: how many were up to each bound."""
    bounds = ("+Inf" if bound == INF else str(bound / per_unit) for bound in buckets)
    return list(zip(bounds, accumulate(buckets.values()), strict=True))
