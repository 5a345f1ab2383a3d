"""Every fault there is, by its name, and whether it can be had here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from chaos import breaking, killing
from chaos.isolation import why_no_mounts
from chaos.scene import Scene


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A way to break things. Its text for people is the docstring of what does it."""

    name: str
    cause: Callable[[Any], Awaitable[str]]
    """Does it to a scene of its kind, and comes back at its end, with a note for the report."""
    can_refuse: bool = False
    """Senders may be without an answer while it lasts."""

    @property
    def text(self) -> str:
        """What happens, in a sentence."""
        return (self.cause.__doc__ or "").strip()

    def why_not(self, scene: Scene) -> str | None:
        """Why it cannot be had here; None where it can."""
        if self.name.startswith("disk-full"):
            return why_no_mounts()
        if self.name.startswith("clock") and (
            scene.pipeline.clock is None or not scene.pipeline.clock.is_there
        ):
            return "libfaketime is not installed (Debian: apt-get install faketime)"
        return None


KINDS = (
    FaultKind("kill-receiver", killing.kill_receiver, can_refuse=True),
    FaultKind("kill-worker", killing.kill_worker),
    FaultKind("kill-child", killing.kill_child),
    FaultKind("kill-machine", killing.kill_machine),
    FaultKind("kill-redis", killing.kill_redis),
    FaultKind("pause-redis", killing.pause_redis),
    FaultKind("memory-full", breaking.redis_full),
    FaultKind("disk-full-redis", breaking.redis_disk_full),
    FaultKind("disk-full-spool", breaking.spool_disk_full),
    FaultKind("cut-senders", breaking.cut_senders, can_refuse=True),
    FaultKind("cut-receivers", breaking.cut_receivers),
    FaultKind("cut-workers", breaking.cut_workers),
    FaultKind("swallow-senders", breaking.swallow_senders, can_refuse=True),
    FaultKind("swallow-receivers", breaking.swallow_receivers),
    FaultKind("swallow-workers", breaking.swallow_workers),
    FaultKind("slow-redis", breaking.slow_redis),
    FaultKind("roll-receivers", killing.roll_receivers),
    FaultKind("roll-workers", killing.roll_workers),
    FaultKind("clock-forwards", breaking.clock_forwards),
    FaultKind("clock-back", breaking.clock_back),
)
BY_NAME = {kind.name: kind for kind in KINDS}
