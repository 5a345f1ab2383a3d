"""`hookline send`, from the command line to a real server and back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from hookline.cli.route import DEV_SECRET, Route, find_route
from hookline.cli.send import send
from hookline.errors import SettingsError
from hookline.providers import Delivery, provider

SETTINGS = """
[receiver]
port = {port}

[sources.notes]
provider = "misskey"
secrets = ["env:TEST_MISSKEY_SECRET", "env:TEST_NEVER_SET"]
hook_ids = ["afpy5mo00hook0b1"]

[sources.team]
provider = "esa"
secrets = ["env:TEST_ESA_SECRET"]

[sources.other-team]
provider = "esa"
secrets = ["env:TEST_ESA_SECRET"]
"""
SECRETS = {"misskey": b"misskey-secret-1", "esa": b"esa-secret-1"}


class Receiver:
    """It verifies, tells repeats by their dedupe key, and answers as a receiver does."""

    def __init__(self) -> None:
        self.port = 0
        self.paths: list[str] = []
        self.deliveries: list[Delivery] = []
        self.answers_503_from = 1_000_000
        self.handlers: set[asyncio.Task[None] | None] = set()
        self._seen: set[str] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.handlers.add(asyncio.current_task())
        try:
            while True:
                request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
                pairs = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
                length = next(value for name, value in pairs if name.lower() == b"content-length")
                self.paths.append(request_line.split()[1].decode())
                self.deliveries.append(Delivery(pairs, await reader.readexactly(int(length))))
                writer.write(self._answer(self.deliveries[-1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, delivery: Delivery) -> bytes:
        name = "esa" if delivery.header(b"x-esa-delivery") else "misskey"
        provider(name).verifier([SECRETS[name]])(delivery)
        key = provider(name).dedupe_key(delivery).key
        state = "duplicate" if key in self._seen else "queued"
        self._seen.add(key)
        body = json.dumps({"id": "e1", "status": state}).encode()
        line = b"202 Accepted" if len(self.deliveries) < self.answers_503_from else b"503 Service Unavailable"
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (line, len(body), body)


@pytest.fixture
async def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    """A server on a free port, and in the current folder the settings that lead to it."""
    server = Receiver()
    async with await asyncio.start_server(server.handle, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        (tmp_path / "hookline.toml").write_text(SETTINGS.format(port=server.port))
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("HOOKLINE_CONFIG", raising=False)
        monkeypatch.setenv("TEST_MISSKEY_SECRET", SECRETS["misskey"].decode())
        monkeypatch.setenv("TEST_ESA_SECRET", SECRETS["esa"].decode())
        yield server
    await asyncio.gather(*(task for task in server.handlers if task))  # they end when the client hangs up


async def run(*arguments: str) -> Result:
    """The command, in a thread since it runs a loop of its own."""
    app = typer.Typer()
    app.command()(send)
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, env={"COLUMNS": "120"}))


async def test_one_delivery_prints_its_answer_in_full(receiver: Receiver) -> None:
    """To the only source of the provider, with its first secret and its webhook's id."""
    result = await run("misskey", "abuse_report")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.fullmatch(
        rf"http://127\.0\.0\.1:{receiver.port}/hooks/notes answered 202 Accepted in [\d.]+ ms\n"
        r'\{"id": "e1", "status": "queued"\}\n',
        result.stdout,
    )
    assert receiver.paths == ["/hooks/notes"]
    assert json.loads(receiver.deliveries[0].body)["type"] == "abuseReport"
    assert receiver.deliveries[0].header(b"x-misskey-hook-id") == b"afpy5mo00hook0b1"


async def test_all_sends_every_type_and_prints_a_table(receiver: Receiver) -> None:
    """Twice with --count 2, each twice with --repeat."""
    result = await run("esa", "all", "--source", "team", "--count", "2", "--repeat", "--connections", "4")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"answer +┃ +count ┃ +share ┃ +p50 ms ┃ +p99 ms", result.stdout)
    assert re.search(r"202 queued +│ +18 │ 50\.0 % │ +[\d.]+ │ +[\d.]+ ", result.stdout)
    assert re.search(r"202 duplicate +│ +18 │ 50\.0 % │", result.stdout)
    assert re.search(r"36 deliveries in [\d.]+ s: [\d,]+ per second\n", result.stdout)
    assert len({json.loads(delivery.body)["kind"] for delivery in receiver.deliveries}) == 9
    assert set(receiver.paths) == {"/hooks/team"}


async def test_a_refusal_makes_the_exit_code_1(receiver: Receiver) -> None:
    """One is enough."""
    receiver.answers_503_from = 5
    result = await run("misskey", "note", "--count", "5")
    assert result.exit_code == 1
    assert re.search(r"202 queued +│ +4 │ 80\.0 %", result.stdout)
    assert re.search(r"503 +│ +1 │ 20\.0 %", result.stdout)


async def test_the_same_seed_sends_the_same_delivery(receiver: Receiver) -> None:
    """So that a person can see what a repeat is answered."""
    first = await run("misskey", "note", "--seed", "4")
    second = await run("misskey", "note", "--seed", "4")
    other = await run("misskey", "note", "--seed", "5")
    assert [re.findall(r'"status": "(\w+)"', result.stdout) for result in (first, second, other)] == [
        ["queued"],
        ["duplicate"],
        ["queued"],
    ]
    assert receiver.deliveries[0] == receiver.deliveries[1]


async def test_options_alone_suffice_without_settings(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL and a secret by reference."""
    (tmp_path / "hookline.toml").unlink()
    (tmp_path / "secret").write_bytes(SECRETS["esa"] + b"\n")
    url = f"http://127.0.0.1:{receiver.port}/elsewhere"
    result = await run("esa", "member_join", "--url", url, "--secret", f"file:{tmp_path}/secret")
    assert (result.exit_code, receiver.paths) == (0, ["/elsewhere"])


async def test_a_receiver_that_is_away_is_named(receiver: Receiver) -> None:
    """For one delivery in a sentence, for several as a row."""
    gone = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{gone.sockets[0].getsockname()[1]}/hooks/notes"
    gone.close()
    one = await run("misskey", "note", "--url", url)
    several = await run("misskey", "note", "--url", url, "--count", "3")
    assert (one.exit_code, several.exit_code) == (1, 1)
    assert f"{url} did not answer" in one.stdout
    assert "connection refused: nothing listens on 127.0.0.1" in one.stdout
    assert "network error: connection refused" in several.stdout
    assert "100.0 %" in several.stdout


async def test_a_dry_run_prints_the_request_without_its_secret_and_sends_nothing(receiver: Receiver) -> None:
    """Everything else is byte for byte what would be sent."""
    result = await run("misskey", "note", "--dry-run", "--seed", "1", "--size", "4000")
    assert result.exit_code == 0
    head, _, body = result.stdout_bytes.partition(b"\r\n\r\n")
    assert head.startswith(
        b"POST /hooks/notes HTTP/1.1\r\naccept: */*\r\naccept-encoding: gzip, deflate, br\r\n"
    )
    assert b"content-length: 4000\r\n" in head
    assert b"\r\nx-misskey-hook-secret: ***\r\n" in head
    assert len(body.removesuffix(b"\n")) == 4000
    assert SECRETS["misskey"] not in result.stdout_bytes
    assert receiver.deliveries == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["misskey", "nite"], "misskey sends no 'nite'; did you mean 'note'?"),
        (["mastodon", "note"], "Hookline cannot send as 'mastodon'"),
        (["esa", "post_create"], "several sources have the provider esa; add --source team or other-team"),
        (["esa", "post_create", "--source", "taem"], "there is no source 'taem'; did you mean 'team'?"),
        (["esa", "post_create", "--source", "notes"], "the source 'notes' expects deliveries of misskey"),
        (
            ["misskey", "note", "--secret", "hunter22"],
            "a secret is given by reference, env:NAME or file:/path",
        ),
        (["misskey", "note", "--secret", "env:TEST_NEVER_SET"], "TEST_NEVER_SET is not set"),
        (["misskey", "note", "--url", "receiver:8080"], "the scheme must be http or https"),
    ],
)
async def test_a_mistake_is_a_settings_error_that_names_the_way_out(
    receiver: Receiver, arguments: list[str], error: str
) -> None:
    """The command line prints it and exits 2."""
    result = await run(*arguments)
    assert isinstance(result.exception, SettingsError)
    assert error in str(result.exception)
    assert "hunter22" not in str(result.exception)
    assert receiver.deliveries == []


def test_without_any_source_it_sends_as_dev_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`hookline dev` makes up a source for each provider, and this sends to it."""
    monkeypatch.chdir(tmp_path)
    assert find_route("esa", url=None, source_name=None, secret_reference=None, config=None) == Route(
        "http://127.0.0.1:8080/hooks/esa", DEV_SECRET.encode()
    )


async def test_without_a_fitting_source_the_way_out_is_named(receiver: Receiver, tmp_path: Path) -> None:
    """The settings or two options."""
    settings = '[sources.other]\nprovider = "misskey"\nsecrets = ["env:OTHER"]\n'
    (tmp_path / "hookline.toml").write_text(settings)
    result = await run("esa", "post_create", "--url", "http://127.0.0.1:1/")
    assert isinstance(result.exception, SettingsError)
    assert "add [sources.esa] to hookline.toml" in str(result.exception)
    assert "both --url and --secret" in str(result.exception)
