"""What an alarm is: one thing that is wrong, found anew at every look for as long as it is so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is. What is urgent is told at once, also in quiet times: deliveries are about to be lost."""

    WARNING = 1
    ERROR = 2
    URGENT = 3


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong. `key` says which, however its title and text change."""

    key: str
    title: str
    text: str
    """How bad it is, and since when."""
    todo: str
    """What to do, with the command."""
    severity: Severity
    since_ms: int
    """Since when it is so, as far as this look can tell; the first look's word counts."""
    stage: int = 0
    """It is told anew whenever this rises."""
    hold_seconds: float = 0.0
    """It is told of only when it has been so for this long, as what mends itself concerns nobody."""
    needs_redis: bool = True
    """While Redis is away it cannot be seen whether it is over, so it isn't."""
    happened: bool = False
    """These are things that happened, and not a state: they are counted, and never over."""
    action: str = ""
    """The action that it is about."""
    from_ms: int = 0
    """Of things that happened: they are counted from there on, …"""
    to_ms: int = 0
    """… and this is when the latest one did."""
