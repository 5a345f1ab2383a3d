"""What figures there are. Times are in ms since 1970, ages and durations in ms."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from math import inf

RUN_BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, inf)
"""As in tally.lua, which counts by them."""
COMMIT_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, inf)
GROUP_BOUNDS = (1, 2, 4, 8, 16, 32, 64, inf)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """Of one source. The first ones are totals since the beginning, and count a replayed event again."""

    received: int = 0
    """New events."""
    repeated: int = 0
    """Deliveries of events that were there already."""
    done: int = 0
    dead: int = 0
    """How often one of its events became a dead letter."""
    replayed: int = 0
    purged: int = 0
    spooled: int = 0
    """Deliveries that went to a receiver's disk first."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Refused deliveries by reason."""
    open: int = 0
    """Unfinished events now; those below are some of them."""
    retrying: int = 0
    paused: int = 0
    """Events of which nothing is left but runs of paused actions."""
    dead_now: int = 0
    """Dead letters that are stored now."""
    done_now: int = 0
    last_at_ms: int | None = None
    """When the last new event came."""
    oldest_waiting_ms: int | None = None
    """For how long the oldest event has waited for a worker; None where none waits, or it is paused."""
    paused_since_ms: int | None = None

    @property
    def ready(self) -> int:
        """Events that a worker could run now, or is running."""
        if self.paused_since_ms is not None:
            return 0
        return max(0, self.open - self.retrying - self.paused)

    @property
    def stored(self) -> int:
        """Events that are stored now."""
        return self.open + self.done_now + self.dead_now


@dataclass(frozen=True, slots=True)
class ActionFigures:
    """Of one action, whose attempts have ended so many times in each way."""

    done: int = 0
    retrying: int = 0
    """Failed, to be tried again."""
    dead: int = 0
    """Failed for good."""
    total_ms: int = 0
    buckets: dict[float, int] = field(default_factory=dict)
    """Attempts that took no longer than this many ms, and longer than the bound before; ascending."""
    paused_since_ms: int | None = None

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.done + self.retrying + self.dead

    def within(self, part: float) -> float | None:
        """The least bound that this part of the attempts kept; inf beyond the last, None without any."""
        wanted = part * sum(self.buckets.values())
        kept = zip(self.buckets, accumulate(self.buckets.values()), strict=True)
        return next((bound for bound, so_far in kept if 0 < wanted <= so_far), None)


@dataclass(frozen=True, slots=True)
class CommitFigures:
    """Of the receivers' commits to Redis, all receivers together."""

    count: int = 0
    events: int = 0
    """Deliveries in them, repeats included."""
    total_ms: int = 0
    buckets: dict[float, int] = field(default_factory=dict)
    """Commits by how long they took, as `ActionFigures.buckets`."""
    group_buckets: dict[float, int] = field(default_factory=dict)
    """Commits by how many deliveries were in one."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Events that a worker is running together."""

    event_ids: tuple[str, ...]
    began_at_ms: int | None


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """A worker process that has not signed off; one that was killed is forgotten after a minute or so."""

    name: str
    host: str
    pid: int
    state: str
    """`idle` or `busy`; `started` at first, `suspended` by `rq suspend`."""
    started_at_ms: int | None
    seen_at_ms: int | None
    groups: tuple[GroupFigures, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverFigures:
    """What a receiver process said of itself within the last 15 s."""

    name: str
    host: str
    pid: int
    started_at_ms: int
    admin: str
    """The address of its admin port, as it listens: `http://127.0.0.1:8081`."""
    state: str
    """`ready`, `spooling`, `refusing` or `stopping`."""
    refused_since_ms: int | None = None
    """Since when its state is `refusing`."""
    spool_folder: str = ""
    """Empty without a spool. Processes on one host with the same folder have one spool in common."""
    spool_events: int = 0
    spool_bytes: int = 0
    spool_max_bytes: int = 0


@dataclass(frozen=True, slots=True)
class RedisFigures:
    """What Redis says of itself; None, or empty, is what it does not tell (managed ones refuse INFO)."""

    response_ms: float = 0.0
    """How long it took to answer a handful of commands, of which one was INFO."""
    version: str = ""
    role: str = ""
    used_memory: int | None = None
    maxmemory: int | None = None
    """0 where there is no limit."""
    aof_enabled: bool | None = None
    aof_last_write_ok: bool | None = None
    fsync: str = ""
    """`always`, `everysec` or `no`."""
    rdb_last_save_ok: bool | None = None
    connected_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything, as it was at one moment; of things that change fast, within a few milliseconds."""

    at_ms: int
    """By Redis's clock."""
    sources: dict[str, SourceFigures] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    """Requests that were refused without being any source's, by reason."""
    actions: dict[str, ActionFigures] = field(default_factory=dict)
    workers: tuple[WorkerFigures, ...] = ()
    receivers: tuple[ReceiverFigures, ...] = ()
    commits: CommitFigures = CommitFigures()
    redis: RedisFigures = RedisFigures()

    @property
    def backlog(self) -> int:
        """Unfinished events, those that are paused or retried later included."""
        return sum(source.open for source in self.sources.values())

    @property
    def ready(self) -> int:
        """Events that a worker could run now, or is running: the number that says how many are needed."""
        return sum(source.ready for source in self.sources.values())

    @property
    def oldest_waiting_ms(self) -> int | None:
        """For how long the oldest event of all has waited for a worker."""
        ages = [source.oldest_waiting_ms for source in self.sources.values()]
        return max((age for age in ages if age is not None), default=None)

    @property
    def dead_now(self) -> int:
        """Dead letters that are stored now."""
        return sum(source.dead_now for source in self.sources.values())

    @property
    def stored(self) -> int:
        """Events that are stored now."""
        return sum(source.stored for source in self.sources.values())


@dataclass(frozen=True, slots=True)
class Minute:
    """What was counted in one minute: `received:<source>`, `runs:<outcome>:<action>`, … as in Redis."""

    at_ms: int
    """When it began."""
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A delivery that was refused."""

    at_ms: int
    reason: str
    peer: str
