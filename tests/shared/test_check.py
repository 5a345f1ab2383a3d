"""`hookline check` and `hookline plugins`: what they find, what they say to do, and how they exit."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import Result
from typer.testing import CliRunner

from hookline.cli import app
from hookline.cli.check import examine_sources
from hookline.cli.findings import Grade
from hookline.cli.redis_findings import examine_redis
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings
from hookline.settings import Settings, Source

SECRET = "a-long-random-s3cret"

PLUGIN = """
from hookline import action

print("{} a plugin may print, even something like JSON: {}")

@action("misskey.*", attempts=3, source="misskey")
def tell(event):
    pass

@action("esa.post_create", "esa.post_update")
async def mirror(event):
    pass
"""


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedRedis]:
    """A real Redis as it should be."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as running:
        yield running


@pytest.fixture
def project(tmp_path: Path, embedded: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings, a secret, a plugin and a Redis, in which nothing is wrong."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MISSKEY_SECRET", SECRET)
    monkeypatch.setenv("HOOKLINE_REDIS__URL", embedded.url)
    monkeypatch.setenv("HOOKLINE_SPOOL__FOLDER", "spool")
    monkeypatch.setenv("HOOKLINE_CONSOLE__PASSWORD", "env:CONSOLE_PASSWORD")
    monkeypatch.setenv("CONSOLE_PASSWORD", SECRET)
    (tmp_path / "spool").mkdir()
    (tmp_path / "hookline.toml").write_text(
        '[sources.misskey]\nprovider = "misskey"\nsecrets = ["env:MISSKEY_SECRET"]\n'
    )
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "example.py").write_text(PLUGIN)
    return tmp_path


def hookline(*arguments: str) -> Result:
    """Run the command line."""
    return CliRunner().invoke(app, arguments)


def lines(result: Result, mark: str) -> list[str]:
    """The findings with this mark."""
    return [line for line in result.output.splitlines() if line.startswith(mark)]


def told(url: str, *, password: str | None = None) -> str:
    """The findings about a Redis, as `check` would mark them."""
    findings = examine_redis(RedisSettings(url=url, password=password))
    return "\n".join(f"{each.grade.value[0]} {each.subject}: {each.told}" for each in findings)


def test_where_all_is_well_everything_is_ticked(project: Path) -> None:
    """And the exit status is 0."""
    result = hookline("check")
    assert lines(result, "✗") == lines(result, "!") == []
    assert [line.split(":")[0] for line in lines(result, "✓")] == [
        "✓ settings",
        "✓ sources.misskey",
        "✓ redis",
        "✓ redis appendonly",
        "✓ redis appendfsync",
        "✓ redis maxmemory-policy",
        "✓ redis memory",
        "✓ spool",
        "✓ console",
        "✓ plugins",
    ]
    assert result.output.endswith("0 wrong, 0 doubtful, 10 right\n")
    assert result.exit_code == 0
    assert SECRET not in result.output


def test_wrong_settings_are_told_one_by_one(project: Path) -> None:
    """Redis and plugins cannot be looked for then."""
    (project / "hookline.toml").write_text("[receiver]\nprot = 1\n[sources.a]\nprovider = 'esa'\n")
    result = hookline("check")
    assert [line[:40] for line in lines(result, "✗")] == [
        "✗ settings: hookline.toml: receiver.prot",
        "✗ settings: hookline.toml: sources.a: a ",
    ]
    assert result.exit_code == 1


def test_the_file_named_by_config_is_the_one_that_is_checked(project: Path) -> None:
    """By the plugins' process too."""
    (project / "other.py").write_text(PLUGIN.replace("async def mirror", "async def copy"))
    other = project / "other.toml"
    other.write_text((project / "hookline.toml").read_text() + '[worker]\nplugins = ["other.py"]\n')
    assert f"✓ settings: {other}" in lines(hookline("check", "--config", str(other)), "✓")
    assert '"other.copy"' in hookline("plugins", "--json", "--config", str(other)).stdout


def test_a_secret_that_is_missing_or_empty_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one that is listed must be there."""
    source = Source(provider="misskey", secrets=("env:MISSKEY_SECRET", "env:OLD_SECRET"))
    monkeypatch.setenv("MISSKEY_SECRET", " ")
    empty, missing = examine_sources(Settings(sources={"misskey": source}))
    assert "is empty, and an empty secret is no secret" in empty.told
    assert "OLD_SECRET is not set" in missing.told
    assert (empty.grade, missing.grade) == (Grade.WRONG, Grade.WRONG)


def test_what_is_doubtful_does_not_fail(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short secret, a source without one, no source, no action."""
    monkeypatch.setenv("MISSKEY_SECRET", "short")
    with (project / "hookline.toml").open("a") as file:
        file.write('[sources.open]\nprovider = "esa"\nunverified = true\n')
    (project / "plugins" / "example.py").write_text("nothing = 1")
    result = hookline("check")
    assert [line.split(":")[0] for line in lines(result, "!")] == [
        "! sources.misskey",
        "! sources.open",
        "! plugins",
    ]
    assert result.exit_code == 0


def test_settings_without_a_source_are_doubtful() -> None:
    """Nothing can come in."""
    (finding,) = examine_sources(Settings())
    assert (finding.grade, finding.told) == (Grade.DOUBTFUL, "none is configured")


def test_a_redis_that_does_not_answer_is_wrong(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its address, without its password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("HOOKLINE_REDIS__URL", f"redis://me:{SECRET}@127.0.0.1:{port}/0")
    result = hookline("check")
    assert f"✗ redis: redis://me:***@127.0.0.1:{port}/0 does not answer" in result.output
    assert SECRET not in result.output
    assert result.exit_code == 1


def test_a_redis_whose_password_is_wrong_is_told_apart(
    embedded: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one that is away."""
    monkeypatch.setenv("REDIS_PASSWORD", "wrong-password")
    with redis.Redis.from_url(embedded.url) as client:
        client.config_set("requirepass", SECRET)
        try:
            assert "refuses the password" in told(embedded.url, password="env:REDIS_PASSWORD")
        finally:
            client.config_set("requirepass", "")


def test_a_redis_whose_password_cannot_be_read_is_wrong(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is still looked at."""
    monkeypatch.setenv("HOOKLINE_REDIS__PASSWORD", "env:REDIS_PASSWORD")
    result = hookline("check")
    assert "✗ redis: secret 'env:REDIS_PASSWORD'" in result.output
    assert "✓ plugins" in result.output


@pytest.mark.parametrize(
    ("configured", "finding"),
    [
        ({"appendonly": "no"}, "✗ redis appendonly: no append-only file"),
        ({"appendfsync": "everysec"}, "! redis appendfsync: everysec: a 202 survives a crash of Redis, but"),
        ({"appendfsync": "no"}, "! redis appendfsync: no: a 202 survives a crash of Redis, but whatever"),
        ({"maxmemory-policy": "allkeys-lru"}, "! redis maxmemory-policy: allkeys-lru: with a memory limit"),
        (
            {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"},
            "✗ redis maxmemory-policy: allkeys-lru: a full Redis throws events away",
        ),
        ({"maxmemory": "1000"}, "! redis memory: "),
        ({"hash-max-ziplist-value": "64"}, "! redis hash-max-ziplist-value: 64: a waiting event takes"),
    ],
    ids=str,
)
def test_a_redis_that_may_lose_events_is_told_of(
    embedded: EmbeddedRedis, configured: dict[str, str], finding: str
) -> None:
    """What is lost and what to set."""
    with redis.Redis.from_url(embedded.url, decode_responses=True) as client:
        before: dict[str, Any] = {name: client.config_get(name)[name] for name in configured}
        try:
            for name, value in configured.items():
                client.config_set(name, value)
            found = told(embedded.url)
        finally:
            for name, value in before.items():
                client.config_set(name, value)
    assert finding in found


def test_a_replica_is_wrong(embedded: EmbeddedRedis) -> None:
    """It takes no writes."""
    with redis.Redis.from_url(embedded.url) as client:
        client.replicaof("127.0.0.1", "1")
        try:
            assert "✗ redis role: this is a replica" in told(embedded.url)
        finally:
            client.replicaof("no", "one")


@pytest.mark.parametrize(
    ("denied", "finding"),
    [("-config", "! redis appendfsync: could not be read"), ("-info", "! redis: INFO could not be read")],
)
def test_what_a_managed_redis_forbids_could_not_be_read(
    embedded: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, denied: str, finding: str
) -> None:
    """It is no failure."""
    with redis.Redis.from_url(embedded.url) as client:
        client.execute_command("ACL", "SETUSER", "limited", "on", f">{SECRET}", "~*", "&*", "+@all", denied)
    monkeypatch.setenv("LIMITED_PASSWORD", SECRET)
    url = embedded.url.replace("unix://", "unix://limited@")
    found = told(url, password="env:LIMITED_PASSWORD")
    assert finding in found
    assert "✗" not in found


def test_a_broken_plugin_is_wrong_with_file_and_line(project: Path) -> None:
    """The others are still counted."""
    (project / "plugins" / "broken.py").write_text("import json\nimport no_such_thing\n")
    result = hookline("check")
    (problem,) = lines(result, "✗")
    assert "broken.py:2" in problem
    assert "no_such_thing" in problem
    assert "✓ plugins: 2 actions" in result.output
    assert result.exit_code == 1


def test_a_plugin_that_ends_the_process_is_wrong(project: Path) -> None:
    """There is no report then, but a reason."""
    (project / "plugins" / "broken.py").write_text(
        "import os, sys\nprint('bye', file=sys.stderr)\nos._exit(3)\n"
    )
    result = hookline("check")
    assert "✗ plugins: reading the plugins ended with status 3: bye" in result.output


@pytest.mark.parametrize("place", ["plugins", "plugins/example.py"])
def test_plugins_that_everybody_can_write_are_doubtful(project: Path, place: str) -> None:
    """What is written there runs as the worker's user."""
    (project / place).chmod(0o777)
    result = hookline("check")
    (finding,) = lines(result, "!")
    assert finding.startswith(f"! plugins: everybody on this machine can write to {place}")
    assert f"chmod o-w {place}" in result.output


def test_an_action_that_a_stop_would_cut_is_told(project: Path) -> None:
    """By its plugin's own word on how long it may take."""
    example = project / "plugins" / "example.py"
    example.write_text(PLUGIN.replace("attempts=3", "timeout=100"))
    result = hookline("check")
    (finding,) = lines(result, "!")
    assert finding.startswith("! worker.shutdown_seconds: 45: a stop cuts runs of example.tell (100 s)")


def test_the_actions_are_listed(project: Path) -> None:
    """What each matches and where it is written; the worker's defaults where it doesn't say."""
    result = hookline("plugins")
    assert result.exit_code == 0
    row = next(line for line in result.output.splitlines() if "example.tell" in line)
    assert "misskey.*" in row
    assert " 3 " in row
    assert "30 s" in row


def test_the_actions_are_listed_as_json(project: Path) -> None:
    """One a line."""
    actions = {
        each["name"]: each for each in map(json.loads, hookline("plugins", "--json").stdout.splitlines())
    }
    assert set(actions) == {"example.tell", "example.mirror"}
    assert actions["example.tell"]["matches"] == ["misskey.*"]
    assert actions["example.tell"]["sources"] == ["misskey"]
    assert actions["example.tell"]["file"] == str(project / "plugins" / "example.py")


def test_plugins_that_cannot_be_read_fail_the_list(project: Path) -> None:
    """With the reason on standard error."""
    (project / "plugins" / "broken.py").write_text("1 +\n")
    result = hookline("plugins", "--json")
    assert "broken" in result.stderr
    assert result.exit_code == 1
    assert "example.tell" in result.stdout


def test_without_any_action_the_list_says_where_it_looked(project: Path) -> None:
    """That is how one notices that the folder is another one."""
    (project / "plugins" / "example.py").unlink()
    assert hookline("plugins").output.startswith("No action in plugins.")


def test_the_findings_as_json(project: Path) -> None:
    """One object a line, for a program."""
    found = [json.loads(line) for line in hookline("check", "--json").output.splitlines()]
    assert {each["grade"] for each in found} <= {"right", "doubtful", "wrong"}
    assert {"settings", "sources.misskey", "redis"} <= {each["subject"] for each in found}
    assert SECRET not in str(found)
