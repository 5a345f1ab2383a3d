"""A commit that replicas don't have counts as not done: 503, and nothing is repeated later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from chaos.sentinels import SentinelSet
from hookline.redis_server import find_server

if TYPE_CHECKING:
    from conftest import Receiver

ACK = {"HOOKLINE_REDIS__ACK": "replica", "HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS": "1"}
AWAY = "redis does not take commits; senders are told to try again"


@pytest.fixture
def pair() -> Iterator[SentinelSet]:
    """A primary and its replica."""
    with SentinelSet(replicas=1, sentinels=0) as running:
        yield running


async def test_without_its_replica_nothing_is_answered_202(
    pair: SentinelSet, start_receiver: Callable[..., Receiver]
) -> None:
    """The log says what is missing; when the replica is back the same delivery is found stored, once."""
    receiver = start_receiver(pair.url, **ACK)
    assert (await receiver.post(receiver.delivery(number=1))).outcome == "202 queued"
    _, replica = pair.servers
    replica.freeze()
    answer = await receiver.post(receiver.delivery(number=2))
    assert (answer.status, answer.body) == (503, {"error": "not stored; try again"})
    line = receiver.wait_for_log(lambda line: line["event"] == AWAY)
    assert line["error"] == ("NotAcknowledgedError: 0 of 1 replicas had it in time (redis.ack_replicas)")
    replica.thaw()
    pair.wait_until_whole()
    while (answer := await receiver.post(receiver.delivery(number=2))).status == 503:
        pass
    assert answer.outcome == "202 duplicate"
    with replica.client() as client:
        assert client.exists(f"hookline:event:{(answer.body or {})['id']}")
    assert receiver.complaints() == []


@pytest.mark.skipif(find_server().version >= (7, 2), reason="this redis-server can wait for its disk")
def test_a_receiver_does_not_start_where_its_promise_cannot_be_kept(
    pair: SentinelSet, start_receiver: Callable[..., Receiver]
) -> None:
    """Rather than refuse every delivery."""
    receiver = start_receiver(pair.url, wait=False, HOOKLINE_REDIS__ACK="disk")
    assert receiver.service.wait() == 2
