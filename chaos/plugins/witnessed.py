"""The actions of a campaign: each tells a file when it begins and when it ends.

It imports nothing of the harness: it is loaded by a worker as any plugin is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hookline import Context, Retry, action

_WITNESS = os.open(os.environ["CHAOS_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
LATER_SECONDS = 1.0


def tell(what: str, ctx: Context, outcome: str = "-") -> None:
    """One line in one write, which other processes' lines cannot cut."""
    fields = (
        what,
        ctx.idempotency_key,
        ctx.event_id,
        ctx.action.partition(".")[2],
        ctx.attempt,
        os.getpid(),
        os.getppid(),
        f"{time.time():.6f}",
        f"{time.monotonic():.6f}",
        outcome,
    )
    os.write(_WITNESS, (" ".join(map(str, fields)) + "\n").encode())


@contextmanager
def witnessed(ctx: Context) -> Iterator[None]:
    """Tell the beginning and the end of what is done inside."""
    tell("begin", ctx)
    try:
        yield
    except Retry:
        tell("end", ctx, "later")
        raise
    except Exception:
        tell("end", ctx, "failed")
        raise
    tell("end", ctx, "done")


def slowness_seconds(event_id: str) -> float:
    """From 0.3 to 3 s, the same for an event each time."""
    return 0.3 + 2.7 * (int(event_id[-4:], 16) / 0xFFFF)


@action("*")
async def quick(event: object, ctx: Context) -> None:
    """What most actions are: over at once."""
    with witnessed(ctx):
        await asyncio.sleep(0.001)


@action("misskey.note", "misskey.mention", "esa.post_create")
def threaded(event: object, ctx: Context) -> None:
    """A plain function, in a thread of its own."""
    with witnessed(ctx):
        time.sleep(0.005)


@action("misskey.renote")
async def slow(event: object, ctx: Context) -> None:
    """Long enough that a fault finds some of them under way."""
    with witnessed(ctx):
        await asyncio.sleep(slowness_seconds(ctx.event_id))


@action("esa.comment_create")
def slow_threaded(event: object, ctx: Context) -> None:
    """The same, in a thread."""
    with witnessed(ctx):
        time.sleep(slowness_seconds(ctx.event_id))


@action("misskey.followed", "esa.post_archive")
async def flaky(event: object, ctx: Context) -> None:
    """Fails at the first attempt."""
    with witnessed(ctx):
        if ctx.attempt == 1:
            raise RuntimeError("not at the first attempt")


@action("misskey.reaction")
async def later(event: object, ctx: Context) -> None:
    """Asks for a delay at the first attempt."""
    with witnessed(ctx):
        if ctx.attempt == 1:
            raise Retry(after=LATER_SECONDS)


@action("esa.post_stop_sharing", attempts=2)
async def poison(event: object, ctx: Context) -> None:
    """Kills its process, each time."""
    with witnessed(ctx):
        tell("kill", ctx)
        os.kill(os.getpid(), signal.SIGSEGV)
        await asyncio.sleep(1)
