"""How this process stands: whether it takes deliveries, since when it doesn't, and what is in its spool."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from dataclasses import replace

from hookline.figures import ReceiverFigures
from hookline.operations import now_ms
from hookline.settings import Spool as SpoolSettings
from hookline.spool_folder import Spooled
from hookline_receiver.detour import Detour
from hookline_receiver.spool import Spool, SpoolError

SPOOL_SECONDS = 1.0
"""How long the spool's disk may take to tell what waits there."""


class Standing:
    """Of one process."""

    def __init__(self, detour: Detour, stopping: asyncio.Event, admin: str, settings: SpoolSettings) -> None:
        self._detour, self._stopping = detour, stopping
        self._last = ReceiverFigures(
            name=f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}",
            host=socket.gethostname(),
            pid=os.getpid(),
            started_at_ms=now_ms(),
            admin=admin,
            state="ready",
            spool_folder=str(settings.folder.absolute()) if settings.folder else "",
            spool_max_bytes=settings.max_bytes if settings.folder else 0,
        )

    @property
    def name(self) -> str:
        """What this process is called, and no other."""
        return self._last.name

    async def look(self) -> ReceiverFigures:
        """How it stands now. Of a spool whose disk doesn't answer, it is what was known last."""
        state = await self._state()
        waits = await spooled(self._detour.spool)
        self._last = replace(
            self._last,
            state=state,
            refused_since_ms=(self._last.refused_since_ms or now_ms()) if state == "refusing" else None,
            spool_events=waits.events if waits else self._last.spool_events,
            spool_bytes=waits.size_bytes if waits else self._last.spool_bytes,
        )
        return self._last

    async def _state(self) -> str:
        if self._stopping.is_set():
            return "stopping"
        if not (self._detour.is_away or self._detour.hold.reason):
            return "ready"
        spool = self._detour.spool
        return "spooling" if spool and await spool.takes() else "refusing"


async def spooled(spool: Spool | None) -> Spooled | None:
    """What waits in a spool; None without one, or while its disk doesn't answer."""
    if spool is None:
        return None
    try:
        async with asyncio.timeout(SPOOL_SECONDS):
            return await spool.totals()
    except (SpoolError, TimeoutError):
        return None
