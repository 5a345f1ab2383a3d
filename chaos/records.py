"""What was seen from outside, as it is judged: answers, calls of actions, kills, faults, writes to Redis.

All times are of the machine's monotonic clock, which every process shares and nobody steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Answer:
    """One request of a sender and what came of it; `status` is 0 where no answer came."""

    delivery: str
    """The sender's own id of what it delivers."""
    source: str
    kind: str
    began: float
    ended: float
    status: int
    outcome: str
    """`queued` or `duplicate` after a 202, else why there was no answer."""
    event_id: str = ""
    has_retry_after: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether the sender counts it as delivered."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class Execution:
    """One call of an action, as the action itself told it. `ended` is None where its end was never told."""

    key: str
    """The idempotency key."""
    event_id: str
    action: str
    attempt: int
    pid: int
    began: float
    ended: float | None = None
    outcome: str = ""
    """`done`, `failed` or `later`; empty while it runs, and for ever when its process died."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that ended at once, with whatever it was doing. `at` is when the signal was sent."""

    pid: int
    at: float
    why: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, from its first moment to the end of what was done to the pipeline."""

    name: str
    seed: int
    began: float
    ended: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """A write to Redis by the workers' way, tried every few hundredths of a second.

    It begins when it was due: that the machine had no time for it is part of how long a write takes.
    """

    began: float
    ended: float
    is_done: bool


@dataclass(slots=True)
class Stored:
    """An event as the final ledger has it."""

    event_id: str
    source: str
    delivery: str
    state: str
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Records:
    """Everything that one campaign is judged by."""

    began: float = 0.0
    ended: float = 0.0
    answers: list[Answer] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Faults that could not be had here, with the reason."""
    writes: list[Write] = field(default_factory=list)
    stored: dict[str, Stored] = field(default_factory=dict)
    spooled: int = 0
    """How many deliveries went through a spool."""

    def accepted(self) -> list[Answer]:
        """The answers that accepted a delivery, each with the id under which that is stored.

        A spool cannot know that a delivery was stored before, by a try whose answer got lost: the id that
        it answers is then dropped when it is drained, and the event is the one that was there.
        """
        known = {(stored.source, stored.delivery): stored.event_id for stored in self.stored.values()}
        return [
            answer
            if answer.event_id in self.stored
            else replace(answer, event_id=known.get((answer.source, answer.delivery), answer.event_id))
            for answer in self.answers
            if answer.is_accepted
        ]
