"""What `@action` declares, what it matches, and what it refuses with which way out."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

import hookline
from hookline import Context, Event, UnknownEvent, action, esa, misskey
from hookline.actions import Action, declarations
from hookline.errors import HooklineError, PluginError
from hookline.testing import sample

NEW = UnknownEvent(type="misskey.something_new", data={"a": 1})


def only(function: Callable[..., Any]) -> Action:
    """The one declaration of a function."""
    (declared,) = declarations(function)
    return declared


def declared(*matches: Any, **options: Any) -> Action:
    """A declaration with these matches and options."""

    @action(*matches, **options)
    def act(event: Any) -> None: ...

    return only(act)


def refused(*matches: Any, of: Any = None, **options: Any) -> str:
    """The reason for which a declaration is refused."""

    def act(event: Any) -> None: ...

    with pytest.raises(PluginError) as caught:
        action(*matches, **options)(of or act)
    return caught.value.reason


class Act:
    """No action: a class, and a place for a method."""

    def _method(self, event: Any) -> None: ...


def _no_event() -> None: ...
def _anything(*arguments: Any, **named: Any) -> None: ...
def _three(event: Any, ctx: Any, more: Any) -> None: ...
def _by_name(event: Any, *, ctx: Any) -> None: ...
def _generator(event: Any) -> Iterator[int]:
    yield 1


async def _async_generator(event: Any) -> AsyncIterator[int]:
    yield 1


def _感謝(event: Any) -> None: ...  # noqa: N802 (Python takes the name, Redis and shells need not)


def test_the_function_comes_back_unchanged():
    """A unit test can call it as it was written."""

    def double(event: int) -> int:
        return 2 * event

    assert double is action("*")(double)
    assert double(2) == 4


def test_a_declaration_says_what_was_given():
    """Everything given to @action is on the Action, and so is where it is."""

    def quiet(event: Any) -> bool:
        return True

    @action(
        misskey.Mention, "esa.post_*", when=quiet, source=["a", "b"], attempts=3, timeout=5, name="thank-you"
    )
    async def thank(event: Any, ctx: Any) -> None: ...

    found = only(thank)
    assert f"{__name__}.thank-you" == found.name
    assert __name__ == found.plugin
    assert thank is found.function
    assert (misskey.Mention,) == found.types
    assert found.patterns == ("esa.post_*",)
    assert quiet is found.when
    assert {"a", "b"} == found.sources
    assert (found.attempts, found.timeout_seconds) == (3, 5.0)
    assert (found.is_async, found.takes_context) == (True, True)
    assert (__file__, inspect.getsourcelines(thank)[1]) == (found.file, found.line)


def test_what_is_not_given_is_left_to_the_worker():
    """No attempts and no timeout mean the settings'; no source means any."""
    found = declared("*")
    assert (None, None, frozenset(), None) == (
        found.attempts,
        found.timeout_seconds,
        found.sources,
        found.when,
    )
    assert f"{__name__}.act" == found.name


def test_a_declaration_is_frozen():
    """What was declared can't change while it runs."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        declared("*").name = "other"


def test_one_function_may_be_declared_twice():
    """Each @action is an action of its own; they are listed from the top."""

    @action(misskey.Note, name="first")
    @action(esa.PostCreate, name="second")
    def act(event: Any) -> None: ...

    assert [f"{__name__}.first", f"{__name__}.second"] == [each.name for each in declarations(act)]


@pytest.mark.parametrize(
    ("function", "takes_context"),
    [
        (lambda event: None, False),
        (lambda event, ctx: None, True),
        (lambda event, anything: None, True),
        (lambda event, ctx=None: None, True),
        (lambda event, *, verbose=False: None, False),
        (lambda event, ctx, depth=3, **rest: None, True),
    ],
)
def test_ctx_is_given_to_a_second_positional_parameter(function: Any, takes_context: bool):
    """Whatever its name; defaults beyond it are the author's own."""
    action("*", name="act")(function)
    assert takes_context == only(function).takes_context


def test_a_well_behaved_decorator_may_be_below():
    """functools.wraps carries the signature over."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*arguments: Any) -> Any:
            return function(*arguments)

        return wrapper

    @action("*")
    @logged
    def act(event: Any, ctx: Any) -> None: ...

    assert only(act).takes_context
    assert act is only(act).function


@pytest.mark.parametrize(
    ("matches", "matching"),
    [
        ((misskey.Mention,), {"misskey.mention"}),
        ((misskey.NoteEvent,), {"misskey.mention", "misskey.note"}),
        ((misskey.Note, esa.PostCreate), {"misskey.note", "esa.post_create"}),
        ((Event,), {"misskey.mention", "misskey.note", "esa.post_create"}),
        ((UnknownEvent,), {"misskey.something_new"}),
        (("misskey.*",), {"misskey.mention", "misskey.note", "misskey.something_new"}),
        (("misskey.note",), {"misskey.note"}),
        (("misskey.something_new",), {"misskey.something_new"}),
        (("*.post_*", "*mention"), {"misskey.mention", "esa.post_create"}),
        (("*",), {"misskey.mention", "misskey.note", "esa.post_create", "misskey.something_new"}),
        (
            ("*", misskey.Note),
            {"misskey.mention", "misskey.note", "esa.post_create", "misskey.something_new"},
        ),
        (("miskey.*",), set()),
    ],
)
def test_an_action_matches_by_class_and_by_pattern(matches: tuple[Any, ...], matching: set[str]):
    """Subclasses count; a pattern is over the whole name; an unknown type matches by name."""
    events = [sample("misskey", "mention"), sample("misskey", "note"), sample("esa", "post_create"), NEW]
    assert matching == {event.type for event in events if declared(*matches).matches(event, "any")}


def test_source_narrows_what_matches():
    """One name or several; every source without it."""
    assert [declared("*").matches(NEW, source) for source in ("here", "there")] == [True, True]
    assert [declared("*", source="here").matches(NEW, source) for source in ("here", "there")] == [
        True,
        False,
    ]
    assert declared("*", source=("here", "there")).matches(NEW, "there")


def test_when_is_not_asked_by_matching():
    """Its errors have to become a failed attempt, so whoever runs the action asks it."""
    assert declared("*", when=lambda event: 1 / 0).matches(NEW, "any")


def test_an_action_can_be_of_a_plugin_of_another_name():
    """An installed plugin is called as its entry point, not as its module."""
    found = declared("*", name="a.b").within("blog")
    assert (found.plugin, found.name) == ("blog", "blog.a.b")


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [
        (lambda: refused(), "@action(misskey.Mention)"),
        (lambda: refused("note"), "write 'misskey.note'"),
        (lambda: refused("comment_create"), "write 'esa.comment_create'"),
        (lambda: refused("nothing_known"), "write 'misskey.nothing_known'"),
        (lambda: refused("misskey.abuseReport"), "write 'misskey.abuse_report'"),
        (lambda: refused("PostCreate"), "write 'esa.post_create'"),
        (lambda: refused(""), "is empty"),
        (lambda: refused(" misskey.note"), "spaces around it"),
        (lambda: refused([misskey.Note, misskey.Reply]), "@action(First, Second)"),
        (lambda: refused(misskey), "write 'misskey.*'"),
        (lambda: refused(NEW), "write UnknownEvent"),
        (lambda: refused(int), "not <class 'int'>"),
        (lambda: refused("*", attempts=0), "1 or more"),
        (lambda: refused("*", attempts=2.5), "whole number"),
        (lambda: refused("*", attempts=True), "whole number"),
        (lambda: refused("*", timeout=-1), "more than 0"),
        (lambda: refused("*", timeout=float("nan")), "more than 0"),
        (lambda: refused("*", timeout="30"), "more than 0"),
        (lambda: refused("*", when=True), "when=lambda event"),
        (lambda: refused("*", source=""), "[sources.<name>]"),
        (lambda: refused("*", source=[]), "[sources.<name>]"),
        (lambda: refused("*", name="two words"), "A-Z a-z 0-9"),
        (lambda: refused("*", name=""), "A-Z a-z 0-9"),
        (lambda: refused("*", name="x" * 101), "shorter name="),
        (lambda: refused("*", of=_感謝), "give name="),
        (lambda: refused("*", of=lambda event: None), "give name="),
        (lambda: refused("*", of=Act), "is a class"),
        (lambda: refused("*", of=Act._method), "is a method"),
        (lambda: refused("*", of=print), "is not a function"),
        (lambda: refused("*", of=_no_event), "(event, ctx)"),
        (lambda: refused("*", of=_anything), "functools.wraps"),
        (lambda: refused("*", of=_three), "give 'more' a default"),
        (lambda: refused("*", of=_by_name), "write (event, ctx)"),
        (lambda: refused("*", of=_generator), "yield"),
        (lambda: refused("*", of=_async_generator), "yield"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(reason: Callable[[], str], way_out: str):
    """At decoration, so that it stops the start and not the thousandth event."""
    assert way_out in reason()


def test_an_async_when_is_refused():
    """Its coroutine would always be true."""

    async def when(event: Any) -> bool:
        return False

    assert "plain function" in refused("*", when=when)


def test_an_action_without_parentheses_is_refused():
    """`@action` alone would make the module's function a decorator and never run it."""
    with pytest.raises(PluginError, match=re.escape("@action of _no_event: does not say for which events")):
        action(_no_event)


def test_a_refusal_names_the_function_and_its_place():
    """So that the author can click on it."""
    with pytest.raises(PluginError) as caught:
        action("note")(_three)
    error = caught.value
    assert "@action of _three" in error.reason
    assert (__file__, inspect.getsourcelines(_three)[1]) == (error.file, error.line)


def test_a_refusal_of_what_is_no_function_names_the_decorators_place():
    """A class has no line of its own, the decorator has."""
    with pytest.raises(PluginError) as caught:
        action("*")(Act)
    assert __file__ == caught.value.file


def context(**given: Any) -> Context:
    """A context as the worker makes it."""
    values = {
        "event_id": "01",
        "source": "here",
        "action": "hello.thank",
        "attempt": 2,
        "attempts": 8,
        "received_at": datetime.now(UTC),
        "log": structlog.get_logger(),
    }
    return Context(**(values | given))


def test_the_idempotency_key_is_the_same_on_every_attempt_and_replay():
    """It names the event and the action and nothing else."""
    contexts = [context(attempt=1), context(attempt=2), context(is_replay=True)]
    assert {"01:hello.thank"} == {each.idempotency_key for each in contexts}
    assert context(action="hello.log").idempotency_key == "01:hello.log"


def test_http_in_a_plain_def_says_what_to_write():
    """The one client belongs to the loop, and a `def` runs in a thread."""
    with pytest.raises(HooklineError, match=r"hello\.thank: .*write `async def`"):
        _ = context().http


def test_http_is_opened_when_it_is_asked_for():
    """A context that nobody asks costs no client."""
    client = object()
    opened: list[object] = []
    ctx = context(open_http=lambda: opened.append(client) or client)
    assert opened == []
    assert client is ctx.http


def test_everything_on_the_authors_page_is_there():
    """`__all__` is the table of contents."""
    assert [name for name in hookline.__all__ if not hasattr(hookline, name)] == []
    assert sorted(hookline.__all__) == hookline.__all__


@pytest.mark.parametrize("module", ["hookline", "hookline.errors", "hookline.events", "hookline.providers"])
def test_every_module_can_be_imported_first(module: str):
    """No import cycle, and nothing heavy comes along."""
    code = (
        f"import sys, {module}; print([m for m in ('aiohttp', 'rq', 'redis', 'typer') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
