"""What the pictures show: the demo's plugins, and an hour of deliveries by the demo's senders."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from hookline.cli.demo import CONFIG
from hookline.environment import CONFIG_VARIABLE
from hookline.errors import HooklineError
from hookline.figures import read_figures
from hookline.operations import now_ms
from hookline.providers import Delivery
from hookline.senders import Poster, delivery_random, make_delivery, sender_types
from hookline.service import Service
from hookline.store import Store
from hookline.workbench import CONSOLE_READY, Workbench

PASSWORD = "only for the pictures"  # noqa: S105 (it guards inventions, for some seconds)
SECRET = "likewise"  # noqa: S105
DELIVERIES = 420
_OFTEN = {"misskey": ("note", "reply", "mention", "reaction"), "esa": ("post_create", "post_update")}
_RARELY = {"misskey": 9, "esa": 6}
"""One in so many is of any type at all."""
PLUGINS = Path(__file__).parents[1] / "examples" / "plugins"
_PATIENCE_SECONDS = 120.0

_MORE = """
[receiver]
port = 0
admin_port = 0
public_url = "https://hooks.example.org"

[plugins.journal]
file = "{folder}/journal.jsonl"

[plugins.mirror]
folder = "{folder}/posts"

[plugins.moderation]
folder = "{folder}/reports"
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """A running Hookline with something to see."""

    url: str
    """The console's."""
    store: Store


@contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    """Everything started, sent and finished."""
    config = folder / "hookline.toml"
    config.write_text(_config(folder), encoding="utf-8")
    environment = {
        CONFIG_VARIABLE: str(config),
        "DEMO_SECRET": SECRET,
        "HOOKLINE_CONSOLE__PASSWORD": "env:CONSOLE_PASSWORD",
        "CONSOLE_PASSWORD": PASSWORD,
    }
    with Workbench(folder / "redis", environment=environment, on_log=lambda line: None) as bench:
        bench.start_worker()
        asyncio.run(_send(bench.receiver_url))
        _wait_until_finished(bench.store)
        console = Service(
            "hookline_console",
            environment=environment | {"HOOKLINE_REDIS__URL": bench.redis_url},
            ready=CONSOLE_READY,
        )
        try:
            yield Scene(console.wait_until_ready()["url"], bench.store)
        finally:
            console.stop()


def _config(folder: Path) -> str:
    """The demo's, with a public URL, and with what its plugins write in our folder."""
    demo = CONFIG.format(plugins=f'"{PLUGINS}"')
    return demo.replace("[receiver]\nport = 0\nadmin_port = 0\n", "") + _MORE.format(folder=folder)


async def _send(url: str) -> None:
    async with AsyncExitStack() as stack:
        posters = {
            source: await stack.enter_async_context(Poster(f"{url}/hooks/{source}", connections=1))
            for source in _OFTEN
        }
        for number in range(DELIVERIES):
            rng = delivery_random("pictures", number)
            source = rng.choice(("misskey", "misskey", "esa"))
            delivery = _delivery(source, number, rng)
            for _ in range(2 if number % 40 == 39 else 1):  # senders repeat what they had no answer to
                await posters[source].post(delivery)


def _delivery(source: str, number: int, rng: random.Random) -> Delivery:
    """Mostly of the usual types; a few are not genuine, or not readable."""
    is_usual = rng.randrange(_RARELY[source]) > 0
    kind = rng.choice(_OFTEN[source] if is_usual else sender_types(source))
    secret = b"a guess" if number % 137 == 136 else SECRET.encode()
    made = make_delivery(source, kind, secret=secret, rng=rng, now_ms=now_ms())
    if source == "misskey" and number % 60 == 7:
        made = replace(made, body=made.body[:-20])  # signed by nothing but the secret
    return made


def _wait_until_finished(store: Store) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while read_figures(store).backlog:
        if time.monotonic() > until:
            raise HooklineError("the events of the scene do not finish")
        time.sleep(0.1)
