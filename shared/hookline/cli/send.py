"""`hookline send`: deliveries as a sender would make them, to a receiver, and what it answered."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hookline.cli.answer_table import print_answer, print_answer_table
from hookline.cli.options import Config
from hookline.cli.route import Route, find_route
from hookline.providers import provider as installed_provider
from hookline.references import STRUCK_OUT
from hookline.senders import (
    Answer,
    Outgoing,
    Poster,
    delivery_random,
    make_delivery,
    parse_target,
    post_all,
    request_bytes,
    sender_type,
    sender_types,
)

EVERY_TYPE = "all"
# With --seed the clock is invented, too, or no two runs would be alike: a second per delivery from here on.
_SEEDED_START_MS = 1_767_225_600_000


def send(
    provider: Annotated[str, typer.Argument(help="Who sends: misskey or esa.")],
    event_type: Annotated[
        str,
        typer.Argument(metavar="TYPE", help="What happened (note, post_create, …), or all for every type."),
    ],
    url: Annotated[
        str | None, typer.Option(help="Where to; by default the receiver of the settings, at the source.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="The source of the settings to send to; by default the provider's only one."),
    ] = None,
    secret: Annotated[
        str | None, typer.Option(help="env:NAME or file:/path, instead of the source's first secret.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many deliveries; with all, of each type.")] = 1,
    rate: Annotated[
        float | None,
        typer.Option(min=0.01, help="Deliveries per second; by default as fast as they are answered."),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=1024, help="How many connections to send over.")] = 8,
    seed: Annotated[
        int | None, typer.Option(help="The same seed makes the same deliveries, byte for byte.")
    ] = None,
    repeat: Annotated[
        bool, typer.Option("--repeat", help="Send each delivery twice, as a retry would.")
    ] = False,
    size: Annotated[
        int, typer.Option(min=0, help="Lengthen the bodies of the types that carry text to this many bytes.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the requests, their secret struck out, and send nothing.")
    ] = False,
    config: Config = None,
) -> None:
    """Send deliveries as Misskey or esa would make them. Exits 1 if any answer is not a 2xx."""
    every = sender_types(provider)
    types = every if event_type == EVERY_TYPE else (sender_type(provider, event_type),)
    route = find_route(provider, url=url, source_name=source, secret_reference=secret, config=config)
    total = count * len(types)
    deliveries = _deliveries(provider, types, route, total=total, seed=seed, size_bytes=size)
    if repeat:
        deliveries = (delivery for once in deliveries for delivery in (once, once))
        total *= 2
    if dry_run:
        _print_requests(provider, deliveries, route)
        return
    started = time.perf_counter()
    answers = _post(route.url, deliveries, total=total, rate=rate, connections=min(connections, total))
    if total == 1:
        print_answer(answers[0], route.url)
    else:
        print_answer_table(answers, total=total, seconds=time.perf_counter() - started)
    if len(answers) < total or not all(answer.is_success for answer in answers):
        raise typer.Exit(1)


def _deliveries(
    provider: str, types: Sequence[str], route: Route, *, total: int, seed: int | None, size_bytes: int
) -> Iterator[Outgoing]:
    """The deliveries, each made when it is asked for."""
    base = secrets.randbits(64) if seed is None else seed
    for index in range(total):
        yield make_delivery(
            provider,
            types[index % len(types)],
            secret=route.secret,
            rng=delivery_random(base, index),
            now_ms=time.time_ns() // 1_000_000 if seed is None else _SEEDED_START_MS + index * 1000,
            size_bytes=size_bytes,
            hook_id=route.hook_id,
        )


def _print_requests(provider: str, deliveries: Iterator[Outgoing], route: Route) -> None:
    target, secret_headers = parse_target(route.url), installed_provider(provider).secret_headers
    for delivery in deliveries:
        struck_out = [
            (name, STRUCK_OUT.encode() if name.decode("latin-1").lower() in secret_headers else value)
            for name, value in delivery.headers
        ]
        typer.echo(request_bytes(replace(delivery, headers=struck_out), target))


def _post(
    url: str, deliveries: Iterator[Outgoing], *, total: int, rate: float | None, connections: int
) -> list[Answer]:
    """The answers, in the order in which they came; those so far when the user stops it."""
    answers: list[Answer] = []
    columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_shown = total > 1 and sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not is_shown) as progress:
        task = progress.add_task("sending", total=total)

        def note(answer: Answer) -> None:
            answers.append(answer)
            progress.advance(task)

        async def run() -> None:
            async with Poster(url, connections=connections) as poster:
                await post_all(poster, deliveries, rate_per_second=rate, on_answer=note)

        try:
            asyncio.run(run())
        except KeyboardInterrupt:
            if not answers:
                raise
    return answers
