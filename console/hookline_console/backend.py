"""The console's way to Redis: what pages ask of the store runs in a few threads, and for so long only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from hookline.connections import connect
from hookline.settings import Settings
from hookline.store import Store

THREADS = 8
"""Also how many connections to Redis there are at the most."""
ANSWER_SECONDS = 3.0
PATIENCE_SECONDS = 10.0
"""How long all that one asks for may take, the wait for a free thread included."""

P = ParamSpec("P")
T = TypeVar("T")


class Backend:
    """`await backend.ask(function, …)` gives what `function(store, …)` does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="redis")

    async def ask(self, function: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it in a thread. Raises TimeoutError when it takes too long; the thread ends of itself."""
        call = partial(function, self._store, *args, **kwargs)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def close(self) -> None:
        """Take no further question and close the connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._store.redis.close()


def open_backend(settings: Settings) -> Backend:
    """A backend on the Redis of the settings; nothing is sent yet. Raises SettingsError."""
    redis = connect(settings.redis, client_name="hookline-console", response_timeout_seconds=ANSWER_SECONDS)
    return Backend(Store(redis, settings.worker.queue))
