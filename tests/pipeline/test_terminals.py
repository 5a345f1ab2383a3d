"""What a stranger, a sender or an action writes gives no orders to a terminal: logs and command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hookline.senders.wire import compact_json

if TYPE_CHECKING:
    from conftest import Pipeline

EVIL = "\x1b[2J\x1b]0;title\x07\x9b31m[red]x[/red]\r\x7f\u202e"
OBEYED = set("\x1b\x07\x9b\x7f\r\u202e")
FAIL = """
    @action("*", attempts=1)
    def fail(event, ctx):
        ctx.log.warning("got " + event.note.text, text=event.note.text)
        raise ValueError(event.note.text)
"""


async def test_what_a_sender_writes_is_text_in_every_command(pipeline: Pipeline) -> None:
    """In a body, in a header, and in the error of the action that it reaches."""
    pipeline.plugin("bad", FAIL)
    pipeline.start_receiver()
    pipeline.start_worker()
    note = {"id": "a", "text": EVIL, "user": {"id": "b", "username": EVIL}, EVIL: EVIL}
    bodies = [compact_json({"type": "note", "body": {"note": note}}), EVIL.encode(), compact_json({EVIL: 1})]
    ids = [(await pipeline.post_body("misskey", body)).body["id"] for body in bodies]
    pipeline.wait_until_finished(3)

    for arguments in (["events"], ["events", "--json"], ["replay", "--state", "dead", "--dry-run"]):
        told = pipeline.cli(*arguments)
        assert told.returncode == 0
        assert not OBEYED & set(told.stdout + told.stderr)
    for event_id in ids:
        for options in ([], ["--json"]):
            told = pipeline.cli("events", "show", event_id, *options)
            assert event_id in told.stdout
            assert not OBEYED & set(told.stdout + told.stderr)
    assert json.loads(pipeline.cli("events", "show", ids[1], "--json").stdout)["body"] == EVIL


async def test_what_a_stranger_sends_is_text_in_the_log(pipeline: Pipeline) -> None:
    """In the form for people, too: no line of it can be forged from outside."""
    given = {"HOOKLINE_LOGGING__FORMAT": "console", "HOOKLINE_LOGGING__LEVEL": "debug"}
    log = pipeline.folder / "log"
    receiver = _start(log, {**pipeline.environment(), **given})
    try:
        pattern = re.compile(r"url=http://127\.0\.0\.1:(\d+)")
        pipeline.wait_for(lambda: pattern.search(log.read_text()), "the receiver")
        port = int(pattern.findall(log.read_text())[0])
        evil = EVIL.encode().replace(b"\r", b"")
        for request in (
            b"POST /hooks/misskey%b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}" % evil,
            b"POST /hooks/misskey HTTP/1.1\r\nHost: %b\r\nX: %b\r\nContent-Length: 2\r\n\r\n{}"
            % (evil, evil),
            b"POST /hooks/misskey HTTP/1.1\r\nX-Misskey-Hook-Secret: \x9b1m\r\nContent-Length: 2\r\n\r\n{}",
            b"POST /hooks/team HTTP/1.1\r\nX-Esa-Signature: \x9b1m\r\nContent-Length: 2\r\n\r\n{}",
            b"%b %b %b\r\n\r\n" % (evil, evil, evil),
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            assert re.match(rb"HTTP/1\.[01] 4\d\d ", await reader.readline())
            writer.transport.abort()
        pipeline.wait_for(lambda: log.read_text().count("refused") >= 5, "the log")
    finally:
        receiver.terminate()
        receiver.wait()
    assert not OBEYED & set(log.read_text())
    assert "[red]" not in log.read_text()


def _start(log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """A receiver whose log is a file, as it would be in a terminal."""
    command = [sys.executable, "-m", "hookline_receiver"]
    with log.open("wb") as file:
        return subprocess.Popen(command, env={**os.environ, **environment}, stderr=file)
