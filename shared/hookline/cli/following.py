"""Looking at live events while a person watches: an outage of Redis is told once, and waited for."""

from __future__ import annotations

from redis import RedisError
from rich.console import Console

from hookline.connections import is_unavailable
from hookline.live import Live, Seen


class Follower:
    """`look` as that of `Live`, and what there is to say besides goes to the console."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live, self._console = live, console
        self._is_away = False

    def look(self) -> list[Seen]:
        """The events that changed; none while Redis is away."""
        try:
            changed = self._live.look()
        except RedisError as error:
            if not is_unavailable(error):
                raise
            if not self._is_away:
                self._say(f"redis is away, and is waited for: {error}", "red")
            self._is_away = True
            return []
        if self._is_away:
            self._say("redis is back", "green")
        self._is_away = False
        if self._live.left_out:
            self._say(f"… and {self._live.left_out:,} events more than can be shown", "dim")
        return changed

    def _say(self, what: str, style: str) -> None:
        self._console.print(what, style=style, markup=False, highlight=False, soft_wrap=True)
