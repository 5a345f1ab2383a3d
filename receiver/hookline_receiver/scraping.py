"""/metrics for Prometheus and /backlog for autoscalers, on the admin port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hookline.connections import connect, is_unavailable
from hookline.figures import Figures, read_figures
from hookline.settings import Settings
from hookline.store import Store
from hookline_receiver.metrics import metrics, without_redis
from hookline_receiver.standing import Standing

READ_SECONDS = 1.0
"""How long is waited for Redis; Prometheus itself waits for 10 s."""
RESPONSE_SECONDS = 0.5
"""How long Redis may take for one answer."""

log = structlog.get_logger(__name__)


class Scrapes:
    """Reads the figures for whoever asks. Those who ask while they are being read get the same ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reading: asyncio.Task[Figures | None] | None = None
        self._is_told = False

    async def figures(self) -> Figures | None:
        """The figures; None where Redis doesn't tell them in time."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.shield(self._reading)
        except TimeoutError:
            return None

    async def _read(self) -> Figures | None:
        try:
            figures = await asyncio.to_thread(read_figures, self._store)
        except Exception as error:  # whatever Redis says, whoever asks has to be told something
            if not self._is_told and not is_unavailable(error):
                self._is_told = True
                log.exception("the figures cannot be read")
            return None
        self._is_told = False
        return figures


def add_scraping(app: web.Application, settings: Settings, standing: Standing) -> None:
    """Add both paths."""
    redis = connect(settings.redis, client_name="hookline-metrics", response_timeout_seconds=RESPONSE_SECONDS)
    scrapes = Scrapes(Store(redis, settings.worker.queue))

    async def close(_: web.Application) -> None:
        redis.close()

    async def scrape(request: web.Request) -> web.Response:
        figures = await scrapes.figures()
        found = metrics(figures) if figures else without_redis(await standing.look())
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(_Collected(found)), headers={"Content-Type": content_type})

    async def backlog(_: web.Request) -> web.Response:
        figures = await scrapes.figures()
        if figures is None:
            return web.json_response({"error": "redis does not tell how much there is to do"}, status=503)
        return web.json_response(
            {
                "backlog": figures.backlog,
                "ready": figures.ready,
                "oldest_waiting_seconds": (figures.oldest_waiting_ms or 0) / 1000,
            }
        )

    app.on_cleanup.append(close)
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/backlog", backlog)


class _Collected(Collector):
    """What an encoder wants."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        """What there is."""
        return self._found
