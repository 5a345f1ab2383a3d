"""What a fault can reach: the pipeline, what is under it, a random source, and where kills are noted."""

from __future__ import annotations

import random
import signal
import time
from abc import abstractmethod
from dataclasses import dataclass, field

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import Sentinel

from chaos.disks import Disk
from chaos.pipeline import Pipeline
from chaos.programs import Program
from chaos.records import Kill
from chaos.redis_servers import RedisServer
from chaos.sentinels import SERVICE, SentinelSet
from chaos.writes import PATIENCE_SECONDS

REPLACED_SECONDS = 1.0
"""How long a supervisor takes to start a new process for one that died."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """One campaign, as a fault sees it."""

    pipeline: Pipeline
    is_quick: bool
    kills: list[Kill]
    random: random.Random = field(default_factory=random.Random)
    replicas: int = 0
    """How many must have a write for it to count."""

    @abstractmethod
    def writer(self) -> AsyncRedis:
        """A client that reaches Redis as the workers do."""

    @abstractmethod
    def reader(self) -> Redis:
        """A client for the final ledger."""

    def seconds(self, full: float, quick: float) -> float:
        """How long something lasts."""
        return quick if self.is_quick else full

    def kill(self, program: Program, why: str) -> float:
        """kill -9, noted with its time."""
        self.kills.append(Kill(program.pid, time.monotonic(), why))
        return program.signal(signal.SIGKILL)


@dataclass(slots=True, kw_only=True)
class OneRedis(Scene):
    """A pipeline over one Redis, with a disk of its own, as the spool has."""

    redis: RedisServer
    redis_disk: Disk
    spool_disk: Disk

    def writer(self) -> AsyncRedis:
        """By the workers' proxy."""
        port = self.pipeline.workers_to_redis.port
        return AsyncRedis(port=port, socket_timeout=PATIENCE_SECONDS, protocol=2)

    def reader(self) -> Redis:
        """Straight to it."""
        return self.redis.blocking_client()


@dataclass(slots=True, kw_only=True)
class Sentinels(Scene):
    """A pipeline over a primary with its replicas, and the sentinels that choose it."""

    sentinels: SentinelSet
    replicas: int = 1

    def writer(self) -> AsyncRedis:
        """To whichever is the primary, as the sentinels tell."""
        addresses = [("127.0.0.1", sentinel.port) for sentinel in self.sentinels.sentinels]
        ask = Sentinel(addresses, sentinel_kwargs={"socket_timeout": 1.0})  # type: ignore[no-untyped-call]
        client: AsyncRedis = ask.master_for(SERVICE, socket_timeout=PATIENCE_SECONDS, protocol=2)
        return client

    def reader(self) -> Redis:
        """To the primary as it is now."""
        return Redis(port=self.sentinels.primary().port, protocol=2)
