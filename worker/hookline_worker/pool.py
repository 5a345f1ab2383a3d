"""Worker processes: Redis, plugins and settings put together, and working until told to stop."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

from hookline.acknowledged import Acknowledgement
from hookline.connections import connect
from hookline.settings import Settings
from hookline.store import Store
from hookline_worker.dispatch import Dispatcher
from hookline_worker.forking import ForkingWorker
from hookline_worker.plugins import Plugins
from hookline_worker.rq_worker import POLL_SECONDS
from hookline_worker.threaded import ThreadWorker

if TYPE_CHECKING:  # it imports OpenTelemetry
    from hookline.spans import Tracer


def run(
    settings: Settings,
    plugins: Plugins,
    *,
    fork: bool,
    ready: Callable[[], None] = lambda: None,
    tracer: Tracer | None = None,
) -> None:
    """Work until SIGTERM or SIGINT; `ready` is called just before the first look for work."""
    waits_seconds = max(settings.redis.commit_timeout_seconds, POLL_SECONDS + 2)
    redis = connect(settings.redis, response_timeout_seconds=waits_seconds)
    store = Store(redis, settings.worker.queue, Acknowledgement.of(settings.redis))
    dispatcher = Dispatcher(store, plugins, settings, tracer)
    kind = ForkingWorker if fork else ThreadWorker
    gc.freeze()  # what is loaded by now is shared with the children, as long as nobody touches it
    worker = kind(redis, store, dispatcher, settings)
    ready()
    worker.work()
