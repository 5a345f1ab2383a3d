"""TLS to Redis and to sentinels: who is trusted, and who we say that we are."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
import redis
import trustme

from hookline.cli.findings import Grade
from hookline.cli.redis_findings import examine_redis
from hookline.connections import connect, connect_async, is_unavailable
from hookline.embedded import EmbeddedRedis
from hookline.settings import Redis as RedisSettings


@dataclass
class Guarded:
    """A Redis behind TLS that wants a client's certificate, and what is needed to get in."""

    port: int
    folder: Path

    def url(self, **arguments: str) -> str:
        """With these arguments, which are ours where none are given."""
        ours = {
            "ssl_ca_certs": str(self.folder / "ca.pem"),
            "ssl_certfile": str(self.folder / "client.pem"),
            "ssl_keyfile": str(self.folder / "client.pem"),
        }
        given = "&".join(f"{name}={value}" for name, value in {**ours, **arguments}.items() if value)
        return f"rediss://127.0.0.1:{self.port}/0?{given}"


class Proxy:
    """Ends the TLS in front of a Unix socket, in a thread of its own."""

    def __init__(self, context: ssl.SSLContext, socket_path: str) -> None:
        self._context, self._socket_path = context, socket_path
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.port = 0

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket_path)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, inner_writer))
                both.create_task(_copy(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    """The certificates are those of an authority of the test's own."""
    authority, stranger = trustme.CA(), trustme.CA()
    with tempfile.TemporaryDirectory(prefix="hl-") as name, EmbeddedRedis(Path(name) / "redis") as embedded:
        folder = Path(name)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        stranger.cert_pem.write_to_path(folder / "stranger.pem")
        authority.issue_cert("hookline").private_key_and_cert_chain_pem.write_to_path(folder / "client.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        with Proxy(context, unquote(embedded.url.removeprefix("unix://"))) as proxy:
            yield Guarded(proxy.port, folder)


async def test_both_clients_speak_tls(guarded: Guarded) -> None:
    """With our certificate, and the authority that issued the server's."""
    settings = RedisSettings(url=guarded.url())
    with connect(settings) as client:
        assert client.set("key", "x" * 100_000)
    async with connect_async(settings) as async_client:
        assert await async_client.get("key") == b"x" * 100_000


@pytest.mark.parametrize(
    "arguments",
    [{"ssl_certfile": "", "ssl_keyfile": ""}, {"ssl_ca_certs": "stranger.pem"}],
    ids=["without our certificate", "another authority"],
)
async def test_without_trust_on_both_sides_redis_is_unavailable(
    guarded: Guarded, arguments: dict[str, str]
) -> None:
    """A certificate may just be in the middle of being changed."""
    if "ssl_ca_certs" in arguments:
        arguments = {"ssl_ca_certs": str(guarded.folder / arguments["ssl_ca_certs"])}
    settings = RedisSettings(url=guarded.url(**arguments))
    with connect(settings) as client, pytest.raises(redis.RedisError) as caught:
        client.ping()
    assert is_unavailable(caught.value)
    async with connect_async(settings) as async_client:
        with pytest.raises(redis.RedisError) as caught:
            await async_client.ping()
    assert is_unavailable(caught.value)


def test_check_says_whether_the_certificate_is_verified(guarded: Guarded) -> None:
    """Without that TLS keeps nobody out."""
    grades = {}
    for requires in ("required", "none"):
        settings = RedisSettings(url=guarded.url(ssl_cert_reqs=requires, ssl_check_hostname="false"))
        findings = {finding.subject: finding.grade for finding in examine_redis(settings)}
        grades[requires] = findings["redis tls"]
    assert grades == {"required": Grade.RIGHT, "none": Grade.DOUBTFUL}


async def test_sentinels_are_asked_over_tls_too(guarded: Guarded) -> None:
    """This one is no sentinel, and says so once it understands us."""
    url = guarded.url().replace("rediss://", "rediss+sentinel://").replace("/0?", "/mymaster/0?")
    with connect(RedisSettings(url=url)) as client, pytest.raises(redis.ResponseError, match="SENTINEL"):
        client.ping()
    async with connect_async(RedisSettings(url=url)) as async_client:
        with pytest.raises(redis.ResponseError, match="SENTINEL"):
            await async_client.ping()
