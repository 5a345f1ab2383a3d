"""Deliveries that go to the receivers' own disks: nothing is lost, until one of those is full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hookline.settings import Settings
from hookline_console.alarms.alarm import Alarm, Severity
from hookline_console.alarms.look import Look
from hookline_console.alarms.wording import count

HALF, NEARLY = 50.0, 80.0
"""Told anew when a spool is so full, in percent."""
_MIB = 1024 * 1024


class Spool(NamedTuple):
    """What waits in one."""

    where: str
    events: int
    size_bytes: int
    max_bytes: int

    @property
    def percent(self) -> float:
        """How full it is."""
        return 100 * self.size_bytes / self.max_bytes


def spooling(look: Look, settings: Settings) -> Iterator[Alarm]:
    """One alarm for all of them, which goes by the fullest."""
    spools = sorted(_spools(look, settings).values(), key=lambda spool: -spool.percent)
    if not spools:
        return
    percent = spools[0].percent
    each = "; ".join(
        f"{spool.where}: {count(spool.events, 'event')}, {spool.size_bytes / _MIB:.1f} of "
        f"{spool.max_bytes / _MIB:.0f} MiB ({spool.percent:.0f} %)"
        for spool in spools
    )
    yield Alarm(
        "spooling",
        "Deliveries go to the spool" if percent < NEARLY else "A spool is nearly full",
        f"Redis does not take them. {each}. They follow by themselves; when it is full, senders are refused.",
        "`hookline check` says what is wrong with Redis.",
        Severity.WARNING if percent < NEARLY else Severity.ERROR,
        look.at_ms,
        stage=(percent >= HALF) + (percent >= NEARLY),
        hold_seconds=15.0,
        needs_redis=not any(each.is_named or each.takes for each in look.readiness),
    )


def _spools(look: Look, settings: Settings) -> dict[str, Spool]:
    """By the folder on its host; receivers on one host may share one."""
    found = {
        f"{receiver.host} {receiver.spool_folder}": Spool(
            receiver.host, receiver.spool_events, receiver.spool_bytes, max(1, receiver.spool_max_bytes)
        )
        for receiver in (look.figures.receivers if look.figures else ())
        if receiver.state == "spooling"
    }
    if not found:
        found = {
            each.address: Spool(
                each.address, each.spooled_events, each.spooled_bytes, settings.spool.max_bytes
            )
            for each in look.readiness
            if each.state == "spooling"
        }
    return found
