"""The alarms from end to end: what is in a real Redis reaches a real HTTP server, once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from redis import Redis

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.errors import SettingsError
from hookline.keys import (
    ALARMS_KEY,
    COUNTERS_KEY,
    EVENT_PREFIX,
    EVENTS_PREFIX,
    FAILURE_PREFIX,
    FAILURES_KEY,
    INDEX_KEY,
    MINUTE_PREFIX,
    OPEN_KEY,
    WATCHMAN_KEY,
)
from hookline.ledger import Attempt, Run
from hookline.settings import Redis as RedisSettings
from hookline.settings import Settings
from hookline_console.alarms.watchman import Watchman, open_watchman
from hookline_console.backend import open_backend

NOON_MS = 1_780_315_200_000  # 2026-06-01T12:00Z
CONSOLE_URL = "https://hookline.example.org/console"
SECRET_PATH = "topic-9fLw7Qp2xR"

# Apprise loads all of its services at once, one of which looks for a module that Python will drop.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@dataclass
class Somebody:
    """Who is told: an HTTP server, which refuses while `answers` is not 200."""

    url: str = ""
    answers: int = 200
    asked: int = 0
    messages: list[dict[str, Any]] = field(default_factory=list)

    def take(self, raw: bytes) -> int:
        """One message; gives the status of the answer."""
        self.asked += 1
        if self.answers == 200:
            self.messages.append(json.loads(raw))
        return self.answers

    @property
    def titles(self) -> list[str]:
        """Of the messages, in their order."""
        return [message["title"].removeprefix("Hookline: ") for message in self.messages]


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Somebody]:
    """Somebody at the URL that TEST_ALARM_URL says."""
    told = Somebody()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(told.take(self.rfile.read(int(self.headers["content-length"]))))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"json://127.0.0.1:{server.server_port}/{SECRET_PATH}"
        monkeypatch.setenv("TEST_ALARM_URL", told.url)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        yield told
        server.shutdown()
        serving.join()


class Watch:
    """Some watchmen over one Redis, and the clock that they go by."""

    def __init__(self, url: str) -> None:
        self.now_ms = NOON_MS
        self._url = url
        self._watchmen: list[Watchman] = []

    def begin(self, **alarms: Any) -> Watchman:
        """One more watchman."""
        given = {
            "redis": {"url": self._url, "commit_timeout_seconds": 10},
            "console": {"public_url": CONSOLE_URL},
            "sources": {"notes": {"provider": "misskey", "unverified": True}},
            "alarms": {"to": ["env:TEST_ALARM_URL"], "group_seconds": 0} | alarms,
        }
        settings = Settings.model_validate(given)
        watchman = Watchman(settings, open_backend(settings), clock=lambda: self.now_ms, zone=UTC)
        self._watchmen.append(watchman)
        return watchman

    async def look(self, *watchmen: Watchman, after: float = 5.0) -> None:
        """All of these look, so many seconds later, and what they tell is told."""
        self.now_ms += int(after * 1000)
        for watchman in watchmen:
            await watchman.look()
            await watchman.sent()

    async def end(self, *watchmen: Watchman) -> None:
        """These go, or all."""
        for watchman in watchmen or list(self._watchmen):
            self._watchmen.remove(watchman)
            await watchman.leave()


@pytest.fixture
async def watch(redis_url: str, redis: Redis, somebody: Somebody) -> AsyncIterator[Watch]:
    """Over the session's Redis."""
    made = Watch(redis_url)
    yield made
    await made.end()


def fail(redis: Redis, action: str, times: int = 1) -> None:
    """Count failed attempts as the worker's script does, in total and for the minute."""
    seconds, _ = redis.time()
    for key in (COUNTERS_KEY, f"{MINUTE_PREFIX}{seconds // 60}"):
        redis.hincrby(key, f"runs:retrying:{action}", times)


def retry(redis: Redis, action: str, error: str) -> None:
    """Put an event there that waits for this action's next attempt."""
    event_id = f"{NOON_MS:012x}{'0' * 12}"
    run = Run(action, "retrying", [Attempt(NOON_MS, 12, error)], NOON_MS)
    fields = {"source": "notes", "type": "misskey.note", "state": "retrying", "received_at": NOON_MS}
    redis.hset(EVENT_PREFIX + event_id, mapping=fields | {f"run:{action}": run.to_json()})
    redis.sadd(OPEN_KEY, event_id)
    redis.sadd(INDEX_KEY, "notes/misskey.note")
    redis.zadd(f"{EVENTS_PREFIX}notes/misskey.note", {event_id: NOON_MS})


def die(redis: Redis, error: str, at_ms: int, action: str = "mirror.write") -> None:
    """Put a dead letter into its group, and count it, as the worker's script does."""
    redis.hset(FAILURES_KEY, error, json.dumps({"action": action, "error": error}))
    redis.zadd(FAILURE_PREFIX + error, {f"e{at_ms}": at_ms})
    redis.hincrby(COUNTERS_KEY, "dead:notes", 1)


async def test_what_fails_again_and_again_is_told_once_though_two_watch(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """With its error; and that it is over, once it succeeded."""
    one, other = watch.begin(), watch.begin()
    fail(redis, "mirror.write", 3)
    await watch.look(one, other)
    assert somebody.titles == []
    fail(redis, "mirror.write", 2)
    retry(redis, "mirror.write", "HTTPError: 502")
    for _ in range(3):
        await watch.look(one, other)
    assert somebody.titles == ["mirror.write fails again and again"]
    assert "The error: HTTPError: 502. 0 dead letters of it so far." in somebody.messages[0]["message"]
    assert somebody.messages[0]["message"].endswith(f"\n\n{CONSOLE_URL}")
    assert somebody.messages[0]["type"] == "failure"
    redis.hincrby(COUNTERS_KEY, "runs:done:mirror.write", 1)
    await watch.look(one, other)
    await watch.look(one, other, after=90)
    assert somebody.titles[1:] == ["over: mirror.write fails again and again"]


async def test_one_who_takes_over_goes_on_where_the_other_stopped(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """What was told is not told again, and what was not over is told when it is."""
    one, other = watch.begin(), watch.begin()
    fail(redis, "mirror.write", 5)
    await watch.look(one, other)
    await watch.end(one)
    await watch.look(other)
    assert somebody.titles == ["mirror.write fails again and again"]
    redis.hincrby(COUNTERS_KEY, "runs:done:mirror.write", 1)
    await watch.look(other, after=90)
    assert somebody.titles[1:] == ["over: mirror.write fails again and again"]


async def test_one_whose_turn_has_passed_to_another_writes_and_tells_no_more(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """It was stopped for too long, say."""
    one = watch.begin()
    await watch.look(one)
    kept = redis.hgetall(ALARMS_KEY)
    redis.set(WATCHMAN_KEY, "another")
    fail(redis, "mirror.write", 9)
    await watch.look(one)
    await watch.end(one)
    assert (somebody.titles, redis.hgetall(ALARMS_KEY)) == ([], kept)
    assert redis.get(WATCHMAN_KEY) == b"another"


async def test_one_who_gets_the_turn_back_knows_what_was_told_meanwhile(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """And forgets what it knew itself."""
    one, other = watch.begin(), watch.begin()
    fail(redis, "mirror.write", 5)
    await watch.look(one)
    redis.delete(WATCHMAN_KEY)
    redis.hincrby(COUNTERS_KEY, "runs:done:mirror.write", 1)
    await watch.look(other, one)
    await watch.look(other, one, after=90)
    assert somebody.titles[1:] == ["over: mirror.write fails again and again"]
    await watch.end(other)
    await watch.look(one)
    await watch.look(one, after=90)
    assert len(somebody.titles) == 2


async def test_dead_letters_are_told_by_error_and_not_those_of_before(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """Each error once; what comes after that of the same error is told hours later, counted."""
    die(redis, "old", 100)
    one = watch.begin()
    await watch.look(one)
    assert somebody.titles == []
    die(redis, "old", 200)
    die(redis, "HTTPError: #", 201)
    die(redis, "HTTPError: #", 202)
    await watch.look(one)
    assert somebody.titles == ["2 new dead letters of mirror.write (and 1 more)"]
    assert "1 new dead letter of mirror.write. The error: old." in somebody.messages[0]["message"]
    for at_ms in (300, 301, 302):
        die(redis, "old", at_ms)
        await watch.look(one)
    assert len(somebody.messages) == 1
    await watch.look(one, after=6 * 3600)
    assert somebody.titles[1:] == ["3 new dead letters of mirror.write"]


async def test_a_message_that_was_refused_is_tried_again_by_whoever_has_the_turn(
    watch: Watch, redis: Redis, somebody: Somebody, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a pause; it is in Redis meanwhile, where the secret of the URL is not."""
    one, other = watch.begin(), watch.begin()
    somebody.answers = 503
    fail(redis, "mirror.write", 5)
    await watch.look(one)
    await watch.look(one, after=5)
    assert (somebody.asked, somebody.titles) == (1, [])
    kept = str(redis.hgetall(ALARMS_KEY))
    assert "message:" in kept
    assert SECRET_PATH not in kept
    await watch.end(one)
    somebody.answers = 200
    await watch.look(other, after=10)
    await watch.look(other)
    assert somebody.titles == ["mirror.write fails again and again"]
    assert "message:" not in str(redis.hgetall(ALARMS_KEY))


async def test_in_quiet_times_it_is_told_afterwards_in_one_message(
    watch: Watch, redis: Redis, somebody: Somebody
) -> None:
    """By the clock of the place where the watchman is."""
    one = watch.begin(quiet="11:00-13:00")
    fail(redis, "mirror.write", 5)
    await watch.look(one)
    fail(redis, "other.action", 5)
    await watch.look(one)
    assert somebody.titles == []
    await watch.look(one, after=3600)
    assert somebody.titles == ["mirror.write fails again and again (and 1 more)"]


async def test_while_redis_is_away_the_give_up_clock_is_told_also_in_quiet_times(somebody: Somebody) -> None:
    """From memory, by the one who had the turn: at once, at half time, at the end, and that it is over."""
    with tempfile.TemporaryDirectory(prefix="hl-") as folder:
        server = EmbeddedRedis(Path(folder))
        server.start()
        watch = Watch(server.url)
        one, other = watch.begin(quiet="00:00-23:59"), watch.begin(quiet="00:00-23:59")
        await watch.look(one, other)
        server.stop()
        for _ in range(4):
            await watch.look(one, other)
        assert somebody.titles == ["Deliveries are refused, and lost from 12:11 on"]
        assert "Since 12:00: Redis is away, and no receiver says that it spools" in str(somebody.messages)
        await watch.look(one, other, after=300)
        await watch.look(one, other, after=60)
        assert len(somebody.titles) == 2
        await watch.look(one, other, after=300)
        assert somebody.titles[2:] == ["Deliveries are being lost"]
        server.start()
        with connect(RedisSettings(url=server.url)) as redis:
            redis.delete(WATCHMAN_KEY)  # in so long a time it would be gone
        await watch.look(other, one)
        await watch.look(other, one, after=90)
        assert somebody.titles[3:] == ["over: Deliveries are being lost"]
        await watch.end()
        server.stop()


async def test_what_needs_redis_is_not_over_while_it_is_away(somebody: Somebody) -> None:
    """Nobody can see whether it is."""
    with tempfile.TemporaryDirectory(prefix="hl-") as folder:
        server = EmbeddedRedis(Path(folder))
        server.start()
        with connect(RedisSettings(url=server.url)) as redis:
            fail(redis, "mirror.write", 5)
        watch = Watch(server.url)
        one = watch.begin()
        await watch.look(one)
        server.stop()
        await watch.look(one)
        await watch.look(one, after=90)
        assert somebody.titles == [
            "mirror.write fails again and again",
            "Deliveries are refused, and lost from 12:11 on",
        ]
        await watch.end()


async def test_one_who_begins_while_redis_is_away_tells_and_learns_the_rest_later(somebody: Somebody) -> None:
    """A console that was started anew in an outage; the dead letters of before are no news to it."""
    with tempfile.TemporaryDirectory(prefix="hl-") as folder:
        server = EmbeddedRedis(Path(folder))
        watch = Watch(server.url)
        one = watch.begin()
        await watch.look(one)
        await watch.look(one, after=20)
        assert len(somebody.titles) == 1
        server.start()
        redis = connect(RedisSettings(url=server.url))
        die(redis, "old", 100)
        await watch.look(one)
        await watch.look(one, after=90)
        assert somebody.titles[1:] == ["over: Deliveries are refused, and lost from 12:11 on"]
        die(redis, "new", 200)
        await watch.look(one)
        assert somebody.titles[2:] == ["1 new dead letter of mirror.write"]
        redis.close()
        await watch.end()
        server.stop()


async def test_a_receiver_that_answers_503_starts_the_clock(watch: Watch, somebody: Somebody) -> None:
    """It is asked over HTTP; when it answers that it is ready, that is over."""
    answer = {"status": "redis does not take commits"}, 503

    async def ready(_: web.Request) -> web.Response:
        return web.json_response(answer[0], status=answer[1])

    app = web.Application()
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    one = watch.begin(receivers=[address])
    await watch.look(one)
    await watch.look(one, after=20)
    assert somebody.titles == ["Deliveries are refused, and lost from 12:11 on"]
    assert f"{address} answers 503: redis does not take commits" in somebody.messages[0]["message"]
    answer = {"status": "ready"}, 200
    await watch.look(one)
    await watch.look(one, after=90)
    assert len(somebody.titles) == 2
    await runner.cleanup()
    await watch.look(one)
    await watch.look(one, after=20)
    assert f"{address} does not answer" in somebody.messages[2]["message"]


def hookline(*arguments: str, redis_url: str, to: str = '["env:TEST_ALARM_URL"]') -> subprocess.Popen[str]:
    """The command line, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from hookline.cli import main; main()", *arguments],
        env=os.environ | {"HOOKLINE_REDIS__URL": redis_url, "HOOKLINE_ALARMS__TO": to},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tempfile.gettempdir(),
    )


def test_the_command_sends_a_test_to_everybody_and_says_what_they_answer(
    redis_url: str, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 1 where one of them refuses; the URL is shown to nobody."""
    monkeypatch.setenv("TEST_OTHER_URL", f"json://127.0.0.1:1/{SECRET_PATH}")
    test = hookline("alarms", "--test", redis_url=redis_url, to="env:TEST_ALARM_URL,env:TEST_OTHER_URL")
    out, err = test.communicate()
    taken, refused = out.splitlines()
    assert taken == "✓ env:TEST_ALARM_URL (JSON): took it"
    assert refused.startswith("✗ env:TEST_OTHER_URL (JSON): did not take it: A Connection error")
    assert (test.returncode, somebody.titles) == (1, ["a test"])
    assert SECRET_PATH not in out + err


def test_the_command_says_what_is_wrong_with_a_url_and_does_not_show_it(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it begins."""
    monkeypatch.setenv("TEST_ALARM_URL", f"nonsense://{SECRET_PATH}")
    wrong = hookline("alarms", redis_url=redis_url)
    out, err = wrong.communicate()
    assert "what 'env:TEST_ALARM_URL' points to is no Apprise URL" in err
    assert wrong.returncode == 2
    assert SECRET_PATH not in out + err


def test_nobody_watches_where_nobody_is_to_be_told() -> None:
    """It would look as if all were well."""
    with pytest.raises(SettingsError, match=r"alarms\.to is empty"):
        open_watchman(Settings())


@pytest.mark.parametrize("command", ["alarms", "console"])
def test_the_command_watches_until_it_is_told_to_stop(
    command: str, redis_url: str, redis: Redis, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console does it too. No log line has the URL's secret, not at `debug` either."""
    monkeypatch.setenv("HOOKLINE_ALARMS__GROUP_SECONDS", "0")
    monkeypatch.setenv("HOOKLINE_LOGGING__LEVEL", "debug")
    monkeypatch.setenv("HOOKLINE_LOGGING__FORMAT", "json")
    monkeypatch.setenv("HOOKLINE_CONSOLE__PORT", "0")
    monkeypatch.setenv("HOOKLINE_CONSOLE__PASSWORD", "env:TEST_PASSWORD")
    monkeypatch.setenv("TEST_PASSWORD", "correct horse battery")
    fail(redis, "mirror.write", 5)
    said = ""
    with hookline(command, redis_url=redis_url) as watching:
        for line in watching.stderr or ():
            said += line
            if "an alarm was told" in line:
                watching.send_signal(signal.SIGTERM)
    assert watching.returncode == 0
    assert somebody.titles == ["mirror.write fails again and again"]
    assert redis.get(WATCHMAN_KEY) is None
    assert SECRET_PATH not in said
    assert "urllib3" in said
    assert '"logger": "apprise"' not in said
