"""`hookline demo`: every type of every provider sent to example plugins, and what became of it as a table."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hookline.cli.dev import LOOK_SECONDS, follow
from hookline.cli.events import STATE_STYLES
from hookline.cli.lines import print_log, run_words
from hookline.environment import CONFIG_VARIABLE
from hookline.errors import HooklineError
from hookline.live import Live, Seen
from hookline.operations import now_ms
from hookline.senders import Answer, Outgoing, Poster, delivery_random, make_delivery, sender_types
from hookline.workbench import Workbench

FOLDER = Path(".hookline/demo")
PROVIDERS = ("misskey", "esa")
PATIENCE_SECONDS = 60.0
EXPECTED_DEAD = {"misskey.reaction", "esa.post_stop_sharing", ""}
"""What examples/plugins/rough.py gives up, and (without a type) the delivery that is no JSON."""

CONFIG = """\
# Written by `hookline demo`.
[receiver]
port = 0
admin_port = 0

[console]
port = 0

[worker]
plugins = [{plugins}]
backoff_base_seconds = 0.5

[sources.misskey]
provider = "misskey"
secrets = ["env:DEMO_SECRET"]

[sources.esa]
provider = "esa"
secrets = ["env:DEMO_SECRET"]
"""


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when every event is finished.")] = False,
) -> None:
    """See it work: every type of both providers is sent, and example plugins act on it."""
    plugins = _example_plugins()
    secret = secrets.token_urlsafe(18)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    config = FOLDER / "hookline.toml"
    config.write_text(CONFIG.format(plugins=f'"{plugins}"'), encoding="utf-8")
    console = Console()
    environment = {CONFIG_VARIABLE: str(config.absolute()), "DEMO_SECRET": secret}
    shown = threading.Event()
    with Workbench(
        FOLDER / "redis",
        environment=environment,
        on_log=lambda line: print_log(console, line) if shown.is_set() else None,
    ) as bench:
        console.print(
            "sending one delivery of every type, and some that are broken, to itself …", style="dim"
        )
        bench.start_worker()
        live = Live(bench.store)
        answers = asyncio.run(_send_everything(bench.receiver_url, secret.encode()))
        events, as_expected = _wait_for_all(live, queued=_count(answers, "queued"))
        _print(console, events, answers)
        if once:
            _print_sum(events)
            raise typer.Exit(0 if as_expected and _answered_as_expected(answers) else 1)
        _say_where_next(console, bench, plugins)
        _print_sum(events)
        shown.set()
        follow(console, bench, live, (str(plugins),))


def _example_plugins() -> Path:
    """The examples: beside the package in an installation, else in the checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "examples", here.parents[3] / "examples" / "plugins"):
        if folder.is_dir():
            return folder
    raise HooklineError("the example plugins are not here; run the demo from a checkout of Hookline")


async def _send_everything(url: str, secret: bytes) -> list[Answer]:
    """Every type once; one of them again; one that is no JSON; one with a wrong signature."""
    answers: list[Answer] = []
    for provider in PROVIDERS:
        async with Poster(f"{url}/hooks/{provider}", connections=1) as poster:
            answers += [await poster.post(delivery) for delivery in _deliveries(provider, secret)]
    return answers


def _deliveries(provider: str, secret: bytes) -> list[Outgoing]:
    deliveries = [
        make_delivery(provider, kind, secret=secret, rng=delivery_random(0, number), now_ms=now_ms())
        for number, kind in enumerate(sender_types(provider))
    ]
    if provider == "misskey":
        broken = replace(deliveries[0], body=deliveries[0].body[:-20])  # signed by nothing but the secret
        return [*deliveries, deliveries[0], broken]
    forged = make_delivery(
        provider, "post_create", secret=b"a guess", rng=delivery_random(1, 0), now_ms=now_ms()
    )
    return [*deliveries, forged]


def _wait_for_all(live: Live, *, queued: int) -> tuple[list[Seen], bool]:
    """The events, and whether as many as were queued finished, each in the state that it should reach."""
    events: dict[str, Seen] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        events |= {seen.id: seen for seen in live.look()}
        if len(events) >= queued and all(seen.is_finished for seen in events.values()):
            as_expected = len(events) == queued and all(
                (seen.state == "dead") == (seen.type in EXPECTED_DEAD) for seen in events.values()
            )
            return list(events.values()), as_expected
        time.sleep(LOOK_SECONDS / 4)
    return list(events.values()), False


def _answered_as_expected(answers: list[Answer]) -> bool:
    kinds = sum(len(sender_types(provider)) for provider in PROVIDERS)
    refused = sum(answer.status == 401 for answer in answers)
    return (_count(answers, "queued"), _count(answers, "duplicate"), refused) == (kinds + 1, 1, 1)


def _count(answers: list[Answer], status: str) -> int:
    return sum((answer.body or {}).get("status") == status for answer in answers)


def _print(console: Console, events: list[Seen], answers: list[Answer]) -> None:
    table = Table(title="What came in, and what each action did with it", title_justify="left")
    for column in ("event", "state", "actions"):
        table.add_column(column, overflow="fold")
    for seen in sorted(events, key=lambda seen: (seen.source, seen.received_at_ms)):
        actions = seen.error or "\n".join(run_words(run) for _, run in sorted(seen.runs.items()))
        name = seen.type or f"{seen.source}: no JSON"
        table.add_row(Text(name), Text(seen.state, style=STATE_STYLES[seen.state]), Text(actions))
    console.print(table)
    refused = sum(answer.status == 401 for answer in answers)
    console.print(
        f"{len(answers)} deliveries: {_count(answers, 'queued')} queued, {_count(answers, 'duplicate')} "
        f"a repeat of one seen before, {refused} refused for a wrong signature",
        highlight=False,
    )


def _print_sum(events: list[Seen]) -> None:
    done = sum(seen.state == "done" for seen in events)
    dead = sum(seen.state == "dead" for seen in events)
    typer.echo(f"demo: {len(events)} events in, {done} done, {dead} dead")


def _say_where_next(console: Console, bench: Workbench, plugins: Path) -> None:
    hookline = os.path.relpath(sys.argv[0]) if os.path.isfile(sys.argv[0]) else "hookline"
    console.print(
        f"""
It stays up until Ctrl-C. Meanwhile {bench.start_console()}.
And in another terminal:
  export HOOKLINE_REDIS__URL={bench.redis_url}
  {hookline} events --state dead     # what failed
  {hookline} events show ID          # and why
  {hookline} replay --state dead     # run it again
Edit {os.path.relpath(plugins)}/hello.py and save it: the worker loads it anew.
Then: README.md, "A first plugin"; docs/plugins.md; hookline dev""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
