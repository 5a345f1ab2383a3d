"""The primary dies under load: nothing is restarted, nothing that was answered 202 is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from chaos.node import Node
from chaos.sentinels import SentinelSet
from hookline.connections import connect
from hookline.operations import now_ms
from hookline.providers import Delivery
from hookline.senders import Poster, delivery_random, make_delivery
from hookline.settings import Redis as RedisSettings
from hookline.store import Store

if TYPE_CHECKING:
    from conftest import Pipeline

SENDERS = 8
DELIVERIES = 160

TELLS = """
    @action("*")
    async def once(event, ctx):
        tell(ctx.event_id)
"""


@pytest.fixture
def sentinels() -> Iterator[SentinelSet]:
    """A primary, two replicas and three sentinels."""
    with SentinelSet() as running:
        yield running


@pytest.fixture
def over_sentinel(pipeline: Pipeline, sentinels: SentinelSet) -> Iterator[Pipeline]:
    """The pipeline over these; a 202 waits for a replica."""
    pipeline.more_environment = {
        "HOOKLINE_REDIS__URL": sentinels.url,
        "HOOKLINE_REDIS__ACK": "replica",
        "HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": "2",
    }
    with connect(RedisSettings(url=sentinels.url)) as client:
        pipeline.store = Store(client)
        yield pipeline


def deliveries() -> Iterator[Delivery]:
    """Different ones, with Misskey's secret of these tests."""
    for number in range(DELIVERIES):
        yield make_delivery(
            "misskey", "note", secret=b"misskey-secret-7Qp2", rng=delivery_random(2, number), now_ms=now_ms()
        )


async def accepted_as(delivery: Delivery, poster: Poster) -> str:
    """Send it until it is accepted, as a sender does; the id under which it is stored."""
    while True:
        answer = await poster.post(delivery)
        if answer.status == 202:
            return str((answer.body or {})["id"])
        assert answer.status == 503
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("take_away", [Node.kill, Node.freeze], ids=["killed", "frozen"])
async def test_no_202_is_lost_when_the_primary_goes(
    over_sentinel: Pipeline, sentinels: SentinelSet, take_away: Callable[[Node], None]
) -> None:
    """Both kinds of worker go on, and what had been recorded before is not run again."""
    over_sentinel.plugin("tells", TELLS)
    services = [
        over_sentinel.start_receiver(),
        over_sentinel.start_worker(),
        over_sentinel.start_worker("--no-fork"),
    ]
    to_send, accepted = deliveries(), list[str]()

    async def send_until(count: int, poster: Poster) -> None:
        while len(accepted) < count and (delivery := next(to_send, None)) is not None:
            accepted.append(await accepted_as(delivery, poster))

    async with Poster(f"{over_sentinel.url}/hooks/misskey", connections=SENDERS) as poster:
        await asyncio.gather(*(send_until(DELIVERIES // 4, poster) for _ in range(SENDERS)))
        over_sentinel.wait_until_finished(len(accepted))
        over_sentinel.store.redis.set("after", "all of that")
        assert over_sentinel.store.redis.wait(2, 10_000) == 2  # what we see is not yet what they have
        recorded = list(accepted)
        under_load = asyncio.gather(*(send_until(DELIVERIES, poster) for _ in range(SENDERS)))
        old = sentinels.primary()
        take_away(old)
        await under_load

    over_sentinel.store.redis.connection_pool.disconnect()  # our own line to the frozen one
    over_sentinel.wait_until_finished(DELIVERIES)
    assert sentinels.primary() is not old
    assert set(accepted) == set(over_sentinel.event_ids())
    times = Counter(over_sentinel.told())
    assert set(accepted) <= set(times)
    assert {times[event_id] for event_id in recorded} == {1}
    assert [service.exit_status for service in services] == [None] * len(services)
    assert over_sentinel.cli("check").returncode == 0
