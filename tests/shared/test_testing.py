"""The test double that plugin authors are given."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from hookline import Context, GiveUp, Retry, action, esa, misskey
from hookline.errors import HooklineError, SettingsError
from hookline.providers import providers
from hookline.senders import sender_types
from hookline.testing import run_action, run_action_async, sample

MENTION = sample("misskey", "mention")


def test_a_def_runs_in_a_thread_as_in_the_worker():
    """So that a test finds what is not safe there."""

    @action("*")
    def act(event: Any) -> str:
        return threading.current_thread().name

    outcome = run_action(act, MENTION)
    assert outcome.state == "done"
    assert outcome.value != threading.current_thread().name


def test_an_async_def_runs_with_its_event_and_context():
    """The context is as in the worker, with what the test gives."""

    @action(misskey.Mention)
    async def act(event: misskey.Mention, ctx: Context) -> object:
        return event.note.id, ctx.settings["room"], ctx.attempt, ctx.source, ctx.is_replay

    assert isinstance(MENTION, misskey.Mention)
    given = run_action(act, MENTION, settings={"room": "#a"}, attempt=3, source="here", is_replay=True).value
    assert given == (MENTION.note.id, "#a", 3, "here", True)


def test_what_is_logged_is_kept():
    """Message, level and fields, in order."""

    @action("*")
    def act(event: Any, ctx: Context) -> None:
        ctx.log.debug("looking", at=event.type)
        ctx.log.bind(step=2).warning("found")

    assert run_action(act, MENTION).logs == [
        {"event": "looking", "log_level": "debug", "at": "misskey.mention"},
        {"event": "found", "log_level": "warning", "step": 2},
    ]


@pytest.mark.parametrize(
    ("error", "attempt", "state", "retry_after_seconds"),
    [
        (ValueError("no"), 1, "retrying", None),
        (ValueError("no"), 3, "dead", None),
        (Retry(after=9), 2, "retrying", 9.0),
        (Retry(after=9), 3, "dead", None),
        (GiveUp("no"), 1, "dead", None),
        (SystemExit(1), 1, "retrying", None),
    ],
)
def test_a_failure_says_what_becomes_of_the_run(
    error: BaseException, attempt: int, state: str, retry_after_seconds: float | None
):
    """As the worker would decide it, by the action's own number of attempts."""

    @action("*", attempts=3)
    def act(event: Any) -> None:
        raise error

    outcome = run_action(act, MENTION, attempt=attempt)
    assert (outcome.state, outcome.retry_after_seconds) == (state, retry_after_seconds)
    assert outcome.error is error


def test_an_event_that_is_not_declared_is_skipped():
    """By class, by source and by `when`; a second declaration counts as well."""

    @action(esa.PostCreate, source="docs", when=lambda event: not event.post.wip)
    @action("misskey.note", name="other")
    def act(event: Any) -> None: ...

    post = sample("esa", "post_create")
    assert isinstance(post, esa.PostCreate)
    draft = post.model_copy(update={"post": post.post.model_copy(update={"wip": True})})
    assert run_action(act, MENTION).state == "skipped"
    assert run_action(act, sample("misskey", "note")).state == "done"
    assert run_action(act, post).state == "done"
    assert run_action(act, post, source="blog").state == "skipped"
    assert run_action(act, draft).state == "skipped"


def test_an_error_in_when_is_a_failure():
    """It would be one in the worker."""

    @action("*", when=lambda event: event.nothing_of_the_kind)
    def act(event: Any) -> None: ...

    assert isinstance(run_action(act, MENTION).error, AttributeError)


def test_a_function_that_is_no_action_is_refused():
    """A test of it would prove nothing about the plugin."""
    with pytest.raises(HooklineError, match="put @action"):
        run_action(len, MENTION)


async def test_http_is_the_tests_own_client_or_a_fresh_one():
    """Both reach a server of the test's; the fresh one is closed afterwards."""

    @action("*")
    async def act(event: Any, ctx: Context) -> tuple[str, ClientSession]:
        assert ctx.http is ctx.http
        async with ctx.http.get(ctx.settings["url"]) as answer:
            return await answer.text(), ctx.http

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="hi")

    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app) as server, ClientSession() as own:
        settings = {"url": str(server.make_url("/"))}
        given = await run_action_async(act, MENTION, settings=settings, http=own)
        fresh = await run_action_async(act, MENTION, settings=settings)
        assert given.value == ("hi", own)
        assert isinstance(fresh.value, tuple)
        assert fresh.value[0] == "hi"
        assert fresh.value[1].closed


def test_http_in_a_plain_def_fails_as_in_the_worker():
    """With the same way out."""

    @action("*")
    def act(event: Any, ctx: Context) -> object:
        return ctx.http

    assert "write `async def`" in str(run_action(act, MENTION).error)


@pytest.mark.parametrize("provider", ["misskey", "esa"])
def test_there_is_a_sample_of_every_type(provider: str):
    """A typed one, and the same one each time."""
    types = {sample(provider, kind).type for kind in sender_types(provider)}
    assert types == {f"{provider}.{event.kind}" for event in providers()[provider].events}
    first = sender_types(provider)[0]
    assert sample(provider, first) == sample(provider, first)
    assert sample(provider, first) != sample(provider, first, seed=1)


def test_a_sample_of_an_unknown_type_names_the_nearest():
    """The senders' own error."""
    with pytest.raises(SettingsError, match="mention"):
        sample("misskey", "mentoin")
