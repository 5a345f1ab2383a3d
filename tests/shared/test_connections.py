"""Connections to Redis: deadlines, passwords, and which failures mean "try again later"."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from hookline.connections import UNAVAILABLE, connect, connect_async, describe, is_unavailable
from hookline.embedded import EmbeddedRedis
from hookline.errors import SettingsError
from hookline.redis_server import shipped_server
from hookline.references import strike_out
from hookline.settings import Redis as RedisSettings


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedRedis]:
    """A real Redis, for the tests that change nothing in its set-up for good."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as running:
        yield running


@pytest.fixture
def silent_url() -> Iterator[str]:
    """The URL of something that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@pytest.fixture
def closed_url() -> str:
    """The URL of a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_answers_are_bytes_and_the_connection_has_a_name(embedded: EmbeddedRedis) -> None:
    """`CLIENT LIST` then shows who is who."""
    with connect(RedisSettings(url=embedded.url), client_name="hookline-receiver") as client:
        client.set("key", "ü")
        assert client.get("key") == "ü".encode()
        assert client.client_getname() == "hookline-receiver"


async def test_asyncio_is_the_same(embedded: EmbeddedRedis) -> None:
    """Same options, other client."""
    async with connect_async(RedisSettings(url=embedded.url), client_name="hookline-worker") as client:
        assert await client.ping()
        assert await client.client_getname() == "hookline-worker"


def test_no_answer_ends_at_the_deadline_and_is_not_repeated(silent_url: str) -> None:
    """The default of redis-py would be to wait four times, with pauses."""
    settings = RedisSettings(url=silent_url, commit_timeout_seconds=0.1)
    started = time.monotonic()
    with connect(settings) as client, pytest.raises(redis.TimeoutError):
        client.ping()
    assert time.monotonic() - started < 1


async def test_no_answer_ends_at_the_deadline_in_asyncio_too(silent_url: str) -> None:
    """As above."""
    started = time.monotonic()
    async with connect_async(RedisSettings(url=silent_url), response_timeout_seconds=0.1) as client:
        with pytest.raises(redis.TimeoutError):
            await client.ping()
    assert time.monotonic() - started < 1


async def test_a_closed_port_is_told_at_once(closed_url: str) -> None:
    """Waiting is the caller's business."""
    started = time.monotonic()
    with connect(RedisSettings(url=closed_url)) as client, pytest.raises(redis.ConnectionError):
        client.ping()
    async with connect_async(RedisSettings(url=closed_url)) as client:
        with pytest.raises(redis.ConnectionError):
            await client.ping()
    assert time.monotonic() - started < 1


async def test_a_restart_of_redis_is_not_noticed(tmp_path: Path) -> None:
    """The pool's old connections are broken, and opened anew."""
    embedded = EmbeddedRedis(tmp_path)
    settings = RedisSettings(url=embedded.url)
    with connect(settings) as client:
        async with connect_async(settings) as async_client:
            for _ in range(2):
                with embedded:
                    assert client.ping()
                    assert await async_client.ping()


def test_a_password_is_given_by_reference(
    tmp_path: Path, embedded: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or in the URL; not both."""
    (tmp_path / "password").write_text("pa/ss wörd\n", encoding="utf-8")
    by_reference = RedisSettings(url=embedded.url, password=f"file:{tmp_path}/password")
    with redis.Redis.from_url(embedded.url) as administrator:
        administrator.config_set("requirepass", "pa/ss wörd")
        try:
            with connect(by_reference) as client:
                assert client.ping()
            in_url = f"{embedded.url}?password=pa%2Fss%20w%C3%B6rd"
            with connect(RedisSettings(url=in_url)) as client:
                assert client.ping()
            with pytest.raises(SettingsError, match=r"redis\.password is set too"):
                connect(RedisSettings(url=in_url, password="env:X"))
            monkeypatch.setenv("WRONG", "wrong-password")
            with (
                connect(RedisSettings(url=embedded.url, password="env:WRONG")) as client,
                pytest.raises(redis.AuthenticationError),
            ):
                client.ping()
        finally:
            administrator.config_set("requirepass", "")


def test_a_missing_password_is_a_settings_error() -> None:
    """Before anything is sent."""
    with pytest.raises(SettingsError, match="NOT_THERE is not set"):
        connect(RedisSettings(password="env:NOT_THERE"))


def test_a_password_in_the_url_is_struck_out_of_logs() -> None:
    """From the moment in which it is used."""
    with connect(RedisSettings(url="redis://me:pass%40w0rd@127.0.0.1/0")):
        assert strike_out("cannot log in with pass@w0rd, pass%40w0rd") == "cannot log in with ***, ***"


def test_a_url_that_cannot_be_used_is_named_without_its_password() -> None:
    """Settings made in code are not validated by a file."""
    settings = RedisSettings.model_construct(
        url="http://me:s3cret@host", password=None, commit_timeout_seconds=3
    )
    with pytest.raises(SettingsError, match=r"redis\.url: 'http://me:\*\*\*@host' is no Redis URL"):
        connect(settings)


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:s3cret@host/0", "redis://:***@host/0"),
        ("rediss://me:s3cret@host:1/2?ssl_cert_reqs=none", "rediss://me:***@host:1/2?ssl_cert_reqs=none"),
        ("redis://me:s3/cr#e?t@s3cret@host", "redis://me:***@host"),
        ("redis://s3cret@host", "redis://***@host"),
        ("unix:///run/redis.sock?db=1&password=s3cret", "unix:///run/redis.sock?db=1&password=***"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ("REDIS://me:s3cret@host", "REDIS://me:***@host"),
        ("me:s3cret@host", "me:***@host"),
        ("redis://host/0?ssl_password=s3c#r&et", "redis://host/0?ssl_password=***"),
    ],
)
def test_a_url_is_described_without_its_password(url: str, described: str) -> None:
    """However broken it is."""
    assert describe(url) == described


@pytest.mark.parametrize(
    "url",
    [
        "redis://h?decode_responses=true",
        "redis://h?protocol=3",
        "redis://h?db=x",
        "redis://h:99999",
        "redis://h/zero",
        "unix://",
        "redis:h",
        "",
    ],
)
def test_a_url_with_what_would_break_us_is_refused(url: str) -> None:
    """redis-py lets the URL's arguments win over those of the code."""
    with pytest.raises(ValueError, match="redis"):
        RedisSettings(url=url)


def starve(client: redis.Redis) -> None:
    """Make Redis refuse writes for want of memory."""
    client.config_set("maxmemory", "1")
    client.config_set("maxmemory-policy", "noeviction")


def make_read_only(client: redis.Redis) -> None:
    """Make Redis the replica of nobody."""
    client.config_set("replica-serve-stale-data", "yes")
    client.replicaof("127.0.0.1", "1")


def demand_replicas(client: redis.Redis) -> None:
    """Make Redis refuse writes while it has no replica."""
    client.config_set("min-replicas-to-write", "1")


def hide_stale_data(client: redis.Redis) -> None:
    """Make Redis a replica that answers nothing without its master."""
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", "1")


def write(client: redis.Redis) -> Any:
    """A plain command."""
    return client.set("key", "x" * 1000)


def write_in_script(client: redis.Redis) -> Any:
    """As every commit is made."""
    return client.eval("return redis.call('SET', KEYS[1], ARGV[1])", 1, "key", "x" * 1000)


def write_in_transaction(client: redis.Redis) -> Any:
    """As RQ does it."""
    return client.pipeline(transaction=True).set("key", "x" * 1000).execute()


SERVERS = [path for path in (shutil.which("redis-server"), shipped_server()) if path]


@pytest.mark.parametrize("server", SERVERS, ids=str)
@pytest.mark.parametrize("ail", [starve, make_read_only, demand_replicas, hide_stale_data])
def test_a_redis_that_is_full_or_read_only_is_unavailable(tmp_path: Path, server: str, ail: Any) -> None:
    """For a command, a script and a transaction, whose errors differ from version to version."""
    with (
        EmbeddedRedis(tmp_path, server=Path(server)) as embedded,
        connect(RedisSettings(url=embedded.url)) as client,
    ):
        assert write(client)
        assert write_in_script(client)
        assert write_in_transaction(client)
        ail(client)
        for attempt in (write, write_in_script, write_in_transaction):
            with pytest.raises(redis.RedisError) as caught:
                attempt(client)
            assert is_unavailable(caught.value), (attempt.__name__, caught.value)


def test_a_redis_that_cannot_persist_is_unavailable() -> None:
    """A full disk is not at hand here; these are Redis' own words, from 6.2 and from 7."""
    told = "MISCONF Errors writing to the AOF file: No space left on device"
    in_script = f"Error running script (call to f_1): @user_script:1: @user_script: 1: -{told} "
    for message in (told, in_script, f"Transaction discarded because of: {told}"):
        assert is_unavailable(redis.ResponseError(message))


def test_a_slow_script_of_somebody_makes_redis_unavailable(tmp_path: Path) -> None:
    """BUSY is a plain error to redis-py."""
    with EmbeddedRedis(tmp_path) as embedded, connect(RedisSettings(url=embedded.url)) as client:
        client.config_set("lua-time-limit", 1)
        other = threading.Thread(target=_run_for_ever, args=[embedded.url])
        other.start()
        error = _error_of_pinging(client)
        client.script_kill()
        other.join()
        assert "BUSY" in str(error)
        assert is_unavailable(error)


def _run_for_ever(url: str) -> None:
    """A script without an end, until somebody kills it."""
    with connect(RedisSettings(url=url, commit_timeout_seconds=60)) as client, suppress(redis.ResponseError):
        client.eval("while true do end", 0)


def _error_of_pinging(client: redis.Redis) -> redis.ResponseError:
    """Ping until it fails."""
    while True:
        try:
            client.ping()
        except redis.ResponseError as error:
            return error


@pytest.mark.parametrize("kind", UNAVAILABLE)
def test_what_the_tuple_names_is_unavailable(kind: type[Exception]) -> None:
    """For `except UNAVAILABLE`."""
    assert is_unavailable(kind("gone"))


@pytest.mark.parametrize(
    "error",
    [
        redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        redis.ResponseError("unknown command 'OOM'"),
        redis.ResponseError("Error compiling script: OOM "),
        redis.ResponseError("BUSYGROUP Consumer Group name already exists"),
        redis.exceptions.NoScriptError("No matching script"),
        redis.exceptions.NoPermissionError("this user has no permissions"),
        redis.DataError("bad argument"),
        ValueError("MISCONF "),
    ],
)
def test_a_mistake_is_not_unavailable(error: Exception) -> None:
    """Trying again would not help."""
    assert not is_unavailable(error)
