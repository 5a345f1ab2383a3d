"""Greet whoever mentions or follows you. This is about the smallest plugin there is."""

from hookline import Context, action, misskey


@action(misskey.Mention)
async def greet(event: misskey.Mention, ctx: Context) -> None:
    """Log a greeting; with a token in the settings one would post a note with `ctx.http` instead."""
    greeting = ctx.settings.get("greeting", "hello")
    ctx.log.info(f"{greeting}, {event.user.display_name}", note=event.note_url)


@action(misskey.Followed, when=lambda event: not event.user.is_bot)
async def welcome(event: misskey.Followed, ctx: Context) -> None:
    """Bots are not welcomed: `when` sees the event before the action does."""
    ctx.log.info(f"welcome, {event.user.display_name}", profile=event.user_url)
