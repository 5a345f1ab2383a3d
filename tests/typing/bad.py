"""What a plugin author may get wrong. mypy finds each at the line that names its error."""

from hookline import Context, Retry, action, misskey


@action(misskey.Mentoin)  # error: attr-defined
def _misspelt(event: misskey.Mention) -> None: ...


@action(Context)  # error: arg-type
def _of_no_event(event: misskey.Mention) -> None: ...


@action(misskey.Mention, attempts="3")  # error: arg-type
def _of_text(event: misskey.Mention) -> None: ...


@action(misskey.Mention, retries=3)  # error: call-arg
def _of_an_unknown_option(event: misskey.Mention) -> None: ...


@action(misskey.Mention)  # error: type-var
def _of_no_arguments() -> None: ...


@action(misskey.Mention)  # error: type-var
def _of_three_arguments(event: misskey.Mention, ctx: Context, more: int) -> None: ...


@action(misskey.Mention)
def decorated(event: misskey.Mention, ctx: Context) -> None:
    """Uses of the event and the context."""
    assert event.note.txt  # error: attr-defined
    assert ctx.idempotency  # error: attr-defined
    raise Retry("no delay")  # error: call-arg


decorated("no event")  # error: call-arg, arg-type
