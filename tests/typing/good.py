"""What a plugin author may write. mypy has nothing to say of it, not even when it is strict."""

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

from hookline import AnyEvent, Context, Event, GiveUp, Retry, UnknownEvent, action, esa, misskey


@action(misskey.Mention)
async def thank(event: misskey.Mention, ctx: Context) -> None:
    """A coroutine with a context."""
    ctx.log.info("thanks", to=event.user.display_name, key=ctx.idempotency_key)
    async with ctx.http.post("http://127.0.0.1/", json={"attempt": ctx.attempt}) as answer:
        if answer.status == 429:
            raise Retry(after=30)
        answer.raise_for_status()


@action(esa.PostCreate, esa.PostUpdate, when=lambda event: not event.post.wip, attempts=8, timeout=30)
def mirror(event: esa.PostCreate | esa.PostUpdate) -> int:
    """A function without one, for two types."""
    if event.post.number is None:
        raise GiveUp("no number")
    return event.post.number


@action("esa.post_*", UnknownEvent, source=("docs", "blog"), name="all")
@action("*", source="docs")
def log(event: AnyEvent, context: Context) -> None:
    """Patterns and classes mixed, stacked, and a context of another name."""
    context.log.info(event.type)


@action(Event)
def loose(event, ctx=None):  # type: ignore[no-untyped-def]
    """Without annotations."""


@action(misskey.NoteEvent, when=lambda event: bool(event.note.text))
def with_option(event: misskey.NoteEvent, ctx: Context, *, limit: int = 3) -> None:
    """An option with a default, for the author's own calls."""


def check(mention: misskey.Mention, post: esa.PostCreate, ctx: Context) -> None:
    """A decorated function keeps its type."""
    thanking: Callable[[misskey.Mention, Context], Awaitable[None]] = thank
    assert_type(mirror(post), int)
    thanking(mention, ctx)
    log(event=post, context=ctx)
    with_option(mention, ctx, limit=5)
    assert_type(ctx.settings["anything"], Any)
