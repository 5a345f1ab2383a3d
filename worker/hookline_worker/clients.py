"""What actions are handed: their context, and one pooled HTTP client for each group of events."""

from __future__ import annotations

from types import TracebackType

import structlog
from aiohttp import ClientSession

from hookline.actions import Action
from hookline.context import Context
from hookline.settings import Settings
from hookline_worker.work import Work

log = structlog.get_logger("hookline.action")


class Clients:
    """Use as an asynchronous context manager inside the event loop."""

    def __init__(self) -> None:
        self._http: ClientSession | None = None

    async def __aenter__(self) -> Clients:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    def http(self) -> ClientSession:
        """The client, made when the first action asks for it."""
        if self._http is None:
            self._http = ClientSession()
        return self._http

    def context(
        self, work: Work, action: Action, *, attempt: int, attempts: int, settings: Settings
    ) -> Context:
        """The context of one attempt."""
        return Context(
            event_id=work.id,
            source=work.source,
            action=action.name,
            attempt=attempt,
            attempts=attempts,
            received_at=work.received_at,
            log=log.bind(event_id=work.id, action=action.name, attempt=attempt),
            settings=settings.plugins.get(action.plugin, {}),
            is_replay=work.is_replay,
            open_http=self.http if action.is_async else None,
        )
