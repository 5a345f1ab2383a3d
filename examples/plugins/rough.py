"""What happens when things go wrong: three actions that fail, each in its own way. For the demo alone."""

from hookline import Context, GiveUp, Retry, action, esa, misskey


@action(esa.CommentCreate, attempts=3)
async def index(event: esa.CommentCreate, ctx: Context) -> None:
    """Fails twice with a delay of its own choice, then succeeds."""
    if ctx.attempt < 3:
        raise Retry("the search index is busy", after=0.5)
    ctx.log.info("indexed", comment=event.comment_url, attempt=ctx.attempt)


@action(esa.PostStopSharing)
def unpublish(event: esa.PostStopSharing) -> None:
    """Knows that no further attempt can help: a dead letter at once."""
    raise GiveUp(f"post {event.post.number} was never published from here")


@action(misskey.Reaction, attempts=2)
async def count(event: misskey.Reaction) -> None:
    """Fails every time: a dead letter after the second attempt, with its traceback kept."""
    counts = {"👍": 0}
    counts[event.reaction or "none"] += 1
