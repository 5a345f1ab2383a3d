"""Who is not logged in gets nothing from the console, whatever is asked for and however."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from hookline.filters import Filter
from hookline.index import failure_groups
from hookline.replays import begin
from hookline_console.app import PAGES
from tests.pipeline.running import PASSWORD

if TYPE_CHECKING:
    from tests.pipeline.running import Pipeline

PLUGIN = """
    @action(misskey.Mention, attempts=1)
    def greet(event):
        raise GiveUp("nobody is there")
"""
ASKED_WITH = {"/events/replay": "?state=dead"}
"""Without that there is no such page."""
OPEN = ("/login", "/healthz", "/static/")
SHOWN = ("misskey", "own.greet", "nobody is there", "hanako")
"""What one who is logged in sees."""
STREAMS = ("/live", "/stream")
CURL = shutil.which("curl") or ""
pytestmark = pytest.mark.skipif(not CURL, reason="no curl is here")


def curl(url: str, method: str, *options: str) -> tuple[int, str]:
    """The status of the answer, and all of it, headers included."""
    command = [CURL, "--silent", "--include", "--max-time", "20", "--request", method, *options, url]
    answer = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    return int(answer.split()[1]), answer


@pytest.fixture(scope="module")
def closed(stack: Pipeline) -> list[tuple[str, str]]:
    """Method and address of every route but those that are open, with what there really is in its places."""
    answer = asyncio.run(stack.post("misskey", "mention"))
    event_id = (answer.body or {})["id"]
    stack.wait_for(lambda: stack.state(event_id) == "dead", "a dead letter")
    (group,) = failure_groups(stack.store)
    there = {"name": "misskey", "group": group.id, "step": "pause"}
    bulk = begin(stack.store, Filter())
    found = []
    for route in (route for page in PAGES for route in page.routes()):
        there["id"] = bulk.id if route.path.startswith("/replays") else event_id
        # {name} or {name:pattern}, in which {24} may be
        path = re.sub(r"\{(\w+)(?::(?:[^{}]|\{[^}]*\})*)?\}", lambda part: there[part[1]], route.path)
        if not path.startswith(OPEN):
            found.append((route.method, path + ASKED_WITH.get(path, "")))
    return found


def test_curl_without_a_login_gets_nothing(stack: Pipeline, closed: list[tuple[str, str]]) -> None:
    """From no page, stream, download or button, nor with a cookie that is made up."""
    assert len(closed) > 20
    for method, path in closed:
        for options in ((), ("--cookie", f"hookline={'0' * 43}"), ("--header", "Accept: text/event-stream")):
            status, answer = curl(stack.console_url + path, method, *options)
            assert (path, status) == (path, 401)
            assert [each for each in SHOWN if each in answer] == []


def test_curl_with_the_password_gets_every_page(stack: Pipeline, closed: list[tuple[str, str]]) -> None:
    """So that the test above is about the login, and not about addresses that lead nowhere."""
    token = f"Authorization: Bearer {PASSWORD}"
    for method, path in closed:
        if method == "GET" and not path.endswith(STREAMS):
            status, _ = curl(stack.console_url + path, method, "--header", token)
            assert (path, status) == (path, 200)
