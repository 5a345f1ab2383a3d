"""What an action may ask for besides its event: the `ctx` of `def act(event, ctx)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hookline.errors import HooklineError

if (
    TYPE_CHECKING
):  # the receiver has no aiohttp client to give, and an author's unit test may have no aiohttp at all
    from datetime import datetime

    from aiohttp import ClientSession
    from structlog.typing import FilteringBoundLogger


@dataclass(slots=True, kw_only=True)
class Context:
    """One attempt of one action on one event."""

    event_id: str
    """The event's id, as `hookline events show` takes it."""
    source: str
    """The name of the source that the event came to."""
    action: str
    """This action's full name: `hello.thank`."""
    attempt: int
    """Which attempt this is, counted from 1."""
    attempts: int
    """How many there are at the most."""
    received_at: datetime
    """When the delivery was accepted, in UTC."""
    log: FilteringBoundLogger
    """A logger that already carries the event, the action and the attempt."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """This plugin's own settings: `[plugins.<name>]` in hookline.toml."""
    is_replay: bool = False
    """Whether somebody asked for the event to be run again."""
    open_http: Callable[[], ClientSession] | None = field(default=None, repr=False)
    """Gives the pooled client behind `http`; None in a plain `def`, which runs in a thread."""

    @property
    def idempotency_key(self) -> str:
        """The same on every attempt and replay of this action on this event, and on no other."""
        return f"{self.event_id}:{self.action}"

    @property
    def http(self) -> ClientSession:
        """The HTTP client that all actions of the process share. Leave it open."""
        if self.open_http is None:
            raise HooklineError(
                f"{self.action}: ctx.http is an asynchronous client, and this action is a plain `def`, which "
                "runs in a thread; write `async def`, or use a synchronous client such as urllib.request"
            )
        return self.open_http()
