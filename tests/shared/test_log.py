"""Logging: one form for everything, and no secret in it. Each test logs in a process of its own."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookline.about import about_events

SET_UP = """
import logging, structlog
from hookline.log import set_up_logging
from hookline.references import keep_secret
from hookline.settings import Logging
set_up_logging(Logging(level={level!r}, format={form!r}), process="receiver")
log = structlog.get_logger()
"""


def logged(code: str, *, level: str = "info", form: str = "json", **environ: str) -> str:
    """What this code wrote to standard error; it must write nothing to standard output."""
    run = subprocess.run(
        [sys.executable, "-c", SET_UP.format(level=level, form=form) + code],
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={**os.environ, **environ},
    )
    assert run.stdout == ""
    return run.stderr


def logged_objects(code: str, **options: Any) -> list[dict[str, Any]]:
    """The same as JSON: one object a line."""
    return [json.loads(line) for line in logged(code, **options).splitlines()]


def test_a_line_is_one_json_object_that_says_when_and_who() -> None:
    """With the fields in the order in which they were given."""
    (line,) = logged_objects("log.info('committed', count=3, source='日本')")
    written_at = datetime.fromisoformat(line.pop("timestamp"))
    assert datetime.now(UTC) - written_at < timedelta(minutes=1)
    assert line.pop("pid") > 0
    assert line == {
        "level": "info",
        "event": "committed",
        "process": "receiver",
        "count": 3,
        "source": "日本",
    }


def test_the_standard_library_is_logged_in_the_same_form() -> None:
    """With the logger's name."""
    (line,) = logged_objects("logging.getLogger('a.plugin').warning('%s of %d', 'one', 2)")
    assert (line["event"], line["level"], line["logger"]) == ("one of 2", "warning", "a.plugin")
    assert line["process"] == "receiver"


def test_bound_and_contextual_fields_are_logged() -> None:
    """Whoever runs an event binds its id once."""
    code = "structlog.contextvars.bind_contextvars(event_id='e1')\nlog.bind(action='a').info('run')"
    (line,) = logged_objects(code)
    assert (line["event_id"], line["action"]) == ("e1", "a")


def test_lines_about_something_say_so_whoever_logs_them() -> None:
    """In tasks and threads that are begun meanwhile, and no longer afterwards."""
    code = """
import asyncio
from hookline.about import about
library = logging.getLogger("a_library")
async def task(name):
    with about(event_id=name, attempt=1):
        await asyncio.sleep(0)
        library.warning(name)
        await asyncio.to_thread(library.warning, name)
        await asyncio.create_task(inner(name))
        log.info(name)
    library.warning("")
async def inner(name): library.warning(name)
async def main(): await asyncio.gather(*map(task, "abc"))
asyncio.run(main())
"""
    lines = logged_objects(code)
    assert len(lines) == 3 * 5
    assert all(line.get("event_id", "") == line["event"] for line in lines)
    assert all(("attempt" in line) == ("event_id" in line) for line in lines)


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_has_no_field_twice(form: str) -> None:
    """Though a logger has bound what the line is about already; what is nearest counts."""
    code = """
from hookline.about import about
with about(event_id="e1", action="outer"): log.bind(event_id="e1", action="a").info("x", action="b")
"""
    text = logged(code, form=form)
    assert (text.count("event_id"), text.count("action"), text.count("outer")) == (1, 1, 0)


def test_a_line_about_several_events_names_each_of_a_group() -> None:
    """Of more than a group has, the first; and how many there are."""
    ids = [str(number) for number in range(70)]
    assert about_events(ids[:2]) == {"events": 2, "event_ids": ["0", "1"]}
    assert about_events(ids) == {"events": 70, "event_ids": ids[:64]}


def test_an_exception_is_one_line_of_json_without_local_variables() -> None:
    """Locals hold secrets."""
    code = """
def fail():
    local = "in a local variable"
    raise ValueError("broken")
try: fail()
except ValueError: log.exception("ours"); logging.getLogger("x").exception("theirs")
"""
    for form in ("json", "console"):
        assert "in a local variable\n" not in logged(code, form=form).replace('local = "in a local', "")
    lines = logged_objects(code)
    assert [line["event"] for line in lines] == ["ours", "theirs"]
    assert all(line["exception"].endswith("ValueError: broken") for line in lines)
    assert all(line["level"] == "error" for line in lines)


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_what_is_below_the_level_is_not_heard(level: str, heard: list[str]) -> None:
    """From ours as from the libraries', even where a library sets its own logger's level."""
    code = """
other = logging.getLogger("other")
other.setLevel("DEBUG")
for name in ("debug", "info", "warning", "error"):
    getattr(log, name)(name)
    getattr(other, name)(name)
"""
    assert [line["event"] for line in logged_objects(code, level=level)] == [
        name for name in heard for _ in "ab"
    ]


RQ = """
from rq.logutils import green, setup_loghandlers
setup_loghandlers("INFO", name="rq.worker")
logging.getLogger("rq.worker").info("chatter")
logging.getLogger("rq.worker").warning("trouble with \\x1b[32mdefault\\x1b[39;49;00m")
"""


def test_rq_keeps_to_our_form_and_is_heard_from_warnings_up() -> None:
    """It would write coloured lines of its own to standard output."""
    (line,) = logged_objects(RQ)
    assert (line["event"], line["logger"]) == ("trouble with default", "rq.worker")


def test_rq_is_heard_at_the_level_debug() -> None:
    """For whoever looks for the reason of something."""
    assert [line["event"] for line in logged_objects(RQ, level="debug")] == [
        "chatter",
        "trouble with default",
    ]


def test_fields_that_are_called_like_secrets_are_struck_out() -> None:
    """Whatever they hold, at any depth; that something is missing may be told."""
    code = """
headers = {"X-Hook-Secret": "v1", "authorization": ["v1"], "a": 1}
log.info("x", secret="v1", redis_password=b"v1", headers=headers, api_key="v1", access_token=1)
log.info("x", signature=None, has_cookie=True)
"""
    line, other = logged_objects(code)
    struck_out = {"secret", "redis_password", "api_key", "access_token"}
    assert {name for name, value in line.items() if value == "***"} == struck_out
    assert line["headers"] == {"X-Hook-Secret": "***", "authorization": "***", "a": 1}
    assert (other["signature"], other["has_cookie"]) == (None, True)


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("secret", ["plain-s3cret", 'quo"t\\ed-s3cret', "sécret-日本", "tab\tand\nline"])
def test_a_known_secret_is_struck_out_wherever_it_stands(form: str, secret: str) -> None:
    """In messages, fields, nested values, bytes, exceptions, and the libraries' lines."""
    code = f"""
secret = {secret!r}
keep_secret(secret.encode())
log.info("event " + secret, field=secret, nested=[{{"a": secret}}], raw=secret.encode())
logging.getLogger("aiohttp").error("theirs %s", secret)
logging.getLogger("aiohttp").error("theirs %r", secret)
try: raise ValueError(secret)
except ValueError: log.exception("failed")
"""
    text = logged(code, form=form)
    assert text.count("***") >= 6
    for part in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1]):
        assert part not in text


def test_console_text_cannot_be_forged_by_a_sender() -> None:
    """Control characters in what came from outside are written as escapes."""
    text = logged("log.info('a\\x1b[2J', path='b\\nforged line')", form="console")
    assert "\x1b" not in text
    assert text.count("\n") == 1
    assert "a␛[2J process=receiver path='b␊forged line'" in text


def test_a_traceback_cannot_be_forged_either() -> None:
    """It quotes what a sender wrote as soon as an action does; its own lines stay lines."""
    text = logged(
        "try: raise ValueError('a\\x1b[2J\\x9b1mb\\r')\nexcept ValueError: log.exception('x')", form="console"
    )
    assert "\nValueError: a␛[2J␡1mb␍" in text
    assert not {"\x1b", "\x9b", "\r"} & set(text)


def test_json_holds_no_control_character_as_it_is() -> None:
    """JSON lets some pass that a terminal obeys; escaped they are the same JSON."""
    code = "log.info('a\\x9b2J\\x7f\\u2028', **{'\\x9b1m': 'b'})"
    text = logged(code)
    assert not {"\x9b", "\x7f", "\u2028"} & set(text)
    assert json.loads(text)["event"] == "a\x9b2J\x7f\u2028"


def test_a_standard_error_that_is_not_utf_8_still_gets_valid_json() -> None:
    """As in a container without a locale."""
    (line,) = logged_objects("log.info('日本 😀')", PYTHONIOENCODING="ascii:backslashreplace")
    assert line["event"] == "日本 😀"


def test_setting_up_twice_writes_each_line_once() -> None:
    """As `dev` does, which runs both sides."""
    code = "set_up_logging(Logging(format='json'), process='worker')\nlogging.getLogger('x').warning('once')"
    (line,) = logged_objects(code)
    assert line["process"] == "worker"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_auto_is_console_in_a_terminal(no_color: str, coloured: bool) -> None:
    """Coloured, unless NO_COLOR is set."""
    ours, theirs = pty.openpty()
    try:
        code = SET_UP.format(level="info", form="auto") + "log.info('hello', a=1)"
        environ = {**os.environ, "NO_COLOR": no_color}
        subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True, env=environ)
        text = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "hello" in text
    assert "{" not in text
    assert ("\x1b[" in text) == coloured


def test_auto_is_json_elsewhere() -> None:
    """For whatever collects the lines."""
    assert logged_objects("log.info('hello')", form="auto")[0]["event"] == "hello"
