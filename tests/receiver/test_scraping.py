"""/metrics and /backlog, as Prometheus and an autoscaler read them, of real receivers over a real Redis."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from hookline.connections import connect
from hookline.embedded import EmbeddedRedis
from hookline.figures import read_figures, read_rejections
from hookline.lanes import source_lane
from hookline.ledger import Ended
from hookline.settings import Redis as RedisSettings
from hookline.store import Change, Store

if TYPE_CHECKING:
    from conftest import Receiver

Start = Callable[..., "Receiver"]
WaitFor = Callable[[Callable[[], Any], str], Any]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def own_store(own_redis: EmbeddedRedis) -> Iterator[Store]:
    """What is in a Redis to which no other receiver reports."""
    with connect(RedisSettings(url=own_redis.url)) as client:
        yield Store(client)


def get(url: str, **headers: str) -> tuple[int, str]:
    """The status and the body that this address answers with."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def samples(receiver: Receiver) -> Samples:
    """What /metrics tells, by name and labels."""
    status, text = get(receiver.admin + "/metrics")
    assert status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float | None:
    """The value of one of them."""
    return found.get((f"hookline_{name}", frozenset(labels.items())))


async def post_wrong_ones(receiver: Receiver) -> None:
    """One of each kind that is refused."""
    good = receiver.raw(receiver.delivery())
    for raw in (
        good.replace(b"misskey-secret-7Qp2", b"misskey-secret-xxxx"),
        good.replace(b"/hooks/misskey", b"/hooks/nobody"),
        good.replace(b"POST", b"PUT"),
        b"POST /hooks/misskey HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n",
        b"not HTTP at all\r\n\r\n",
    ):
        await receiver.exchange(raw)


REFUSED = {
    "signature": "misskey",
    "no_source": "",
    "method": "misskey",
    "too_large": "misskey",
    "not_http": "",
}


async def test_what_was_sent_is_what_is_told(
    own_redis: EmbeddedRedis, own_store: Store, start_receiver: Start, wait_for: WaitFor
) -> None:
    """Accepted, repeated and refused; by the next second."""
    receiver = start_receiver(own_redis.url)
    for number in (1, 2, 3, 3):
        await receiver.post(receiver.delivery(number=number))
    await receiver.post(receiver.delivery("post_create", provider="esa"), "team")
    await post_wrong_ones(receiver)
    wait_for(lambda: len(read_figures(own_store).rejected) == 2, "the tally")
    wait_for(lambda: read_figures(own_store).commits.count == 5, "the commits")

    found = samples(receiver)

    assert value(found, "redis_up") == 1
    assert value(found, "received_total", source="misskey") == 3
    assert value(found, "received_total", source="team") == 1
    assert value(found, "duplicates_total", source="misskey") == 1
    assert value(found, "committed_total") == 5
    assert value(found, "commit_seconds_count") == value(found, "group_events_count") == 5
    assert value(found, "group_events_sum") == 5
    assert value(found, "backlog_events", source="misskey") == 3
    assert value(found, "ready_events", source="misskey") == 3
    assert value(found, "stored_events", source="team") == 1
    assert value(found, "receivers", state="ready") == 1
    refused = {labels: n for (name, labels), n in found.items() if name == "hookline_rejected_total" if n}
    assert refused == {
        frozenset({("reason", reason), ("source", source)}): 1 for reason, source in REFUSED.items()
    }
    told = {each.reason for each in read_rejections(own_store, "misskey")}
    assert told == {
        "the hook secret is none of this source's secrets",
        "came by PUT instead of POST",
        "larger than 1048576 bytes",
    }
    assert {each.peer for each in read_rejections(own_store, "misskey")} == {"127.0.0.1"}
    assert receiver.complaints() == []


async def test_every_receiver_tells_the_same(
    own_redis: EmbeddedRedis, own_store: Store, start_receiver: Start, wait_for: WaitFor
) -> None:
    """Of what all of them received and refused together."""
    receivers = [start_receiver(own_redis.url) for _ in range(2)]
    for number, receiver in enumerate(receivers):
        await receiver.post(receiver.delivery(number=number))
        await receiver.exchange(receiver.raw(receiver.delivery()).replace(b"secret-7Qp2", b"secret-xxxx"))
    wait_for(lambda: _refused(own_store) == 2 and read_figures(own_store).commits.count == 2, "both tallies")

    first, second = (samples(receiver) for receiver in receivers)

    assert first.keys() == second.keys()
    changing = ("hookline_redis_", "hookline_oldest_waiting")
    assert [key for key in first if first[key] != second[key] and not key[0].startswith(changing)] == []
    assert value(first, "received_total", source="misskey") == 2
    assert value(first, "rejected_total", source="misskey", reason="signature") == 2
    assert value(first, "receivers", state="ready") == 2


def _refused(store: Store) -> int:
    source = read_figures(store).sources.get("misskey")
    return source.rejected.get("signature", 0) if source else 0


async def test_the_backlog_is_a_number_for_an_autoscaler(receiver: Receiver, store: Store) -> None:
    """Without what is paused, in what could be run now."""
    await receiver.post(receiver.delivery(number=1))
    await receiver.post(receiver.delivery("post_create", provider="esa"), "team")
    store.pause(source_lane("team"))

    status, text = get(receiver.admin + "/backlog")

    told = json.loads(text)
    assert (status, told["backlog"], told["ready"]) == (200, 2, 1)
    assert told["oldest_waiting_seconds"] >= 0
    assert set(told) == {"backlog", "ready", "oldest_waiting_seconds"}


async def test_while_redis_is_away_the_receiver_tells_what_it_knows(
    own_redis: EmbeddedRedis, start_receiver: Start, tmp_path: Path, wait_for: WaitFor
) -> None:
    """That it is away, and its own spool; and everything again when it is back."""
    receiver = start_receiver(
        own_redis.url,
        HOOKLINE_SPOOL__FOLDER=str(tmp_path / "spool"),
        HOOKLINE_REDIS__COMMIT_TIMEOUT_SECONDS="0.5",
    )
    own_redis.stop()
    assert (await receiver.post(receiver.delivery())).outcome == "202 queued"

    found = samples(receiver)
    status, text = get(receiver.admin + "/backlog")

    assert value(found, "redis_up") == 0
    assert {name for name, _ in found} == {
        f"hookline_{name}" for name in ("redis_up", "spool_events", "spool_bytes", "spool_max_bytes")
    }
    (events,) = [n for (name, _), n in found.items() if name == "hookline_spool_events"]
    assert events == 1
    assert (status, list(json.loads(text))) == (503, ["error"])
    own_redis.start()
    wait_for(lambda: value(samples(receiver), "received_total", source="misskey") == 1, "the drain")
    with connect(RedisSettings(url=own_redis.url)) as client:
        wait_for(lambda: read_figures(Store(client)).sources["misskey"].spooled == 1, "the tally")
    assert receiver.complaints() == []


async def test_a_frozen_redis_does_not_hold_up_the_answer(
    own_redis: EmbeddedRedis, start_receiver: Start
) -> None:
    """It comes when the time for Redis is over, to all who ask."""
    receiver = start_receiver(own_redis.url)
    assert own_redis.pid
    os.kill(own_redis.pid, signal.SIGSTOP)
    for _ in range(2):
        assert value(samples(receiver), "redis_up") == 0
    os.kill(own_redis.pid, signal.SIGCONT)
    assert receiver.complaints() == []


async def test_refused_for_lack_of_redis_or_of_pace(
    own_redis: EmbeddedRedis, start_receiver: Start, wait_for: WaitFor
) -> None:
    """503, and counted as such once Redis is back."""
    receiver = start_receiver(own_redis.url, HOOKLINE_SOURCES__MISSKEY__MAX_PER_SECOND="0.001")
    assert (await receiver.post(receiver.delivery(number=1))).status == 202
    assert (await receiver.post(receiver.delivery(number=2))).status == 503
    own_redis.stop()
    assert (await receiver.post(receiver.delivery("post_create", provider="esa"), "team")).status == 503
    own_redis.start()

    wait_for(lambda: value(samples(receiver), "redis_up"), "redis")
    wait_for(
        lambda: value(samples(receiver), "rejected_total", source="team", reason="not_committed") == 1,
        "the tally",
    )
    assert value(samples(receiver), "rejected_total", source="misskey", reason="too_fast") == 1


async def test_runs_are_told_as_histograms(receiver: Receiver, store: Store) -> None:
    """Each bucket has what is in those below, and the last one has all."""
    answer = await receiver.post(receiver.delivery())
    event_id = (answer.body or {})["id"]
    store.take("token", 10_000, [event_id], execution="job:token")
    ended = [Ended("greet", "retrying", 3), Ended("greet", "dead", 70_000)]
    store.record("token", [Change(event_id, {"run:greet": "1"}, "dead", ended=ended)])

    found = samples(receiver)

    bucket = {
        le: value(found, "run_seconds_bucket", action="greet", le=le) for le in ("0.005", "60.0", "+Inf")
    }
    assert bucket == {"0.005": 1, "60.0": 1, "+Inf": 2}
    assert value(found, "run_seconds_count", action="greet") == 2
    assert value(found, "run_seconds_sum", action="greet") == 70.003
    for outcome, n in {"done": 0, "retrying": 1, "dead": 1}.items():
        assert value(found, "runs_total", action="greet", outcome=outcome) == n
    assert value(found, "dead_letters", source="misskey") == value(found, "dead_total", source="misskey") == 1


async def test_it_is_well_formed_in_both_of_prometheus_s_languages(receiver: Receiver) -> None:
    """With a type and a help for each, and names as Prometheus wants them."""
    await receiver.post(receiver.delivery())
    plain = list(parse(get(receiver.admin + "/metrics")[1]))
    wanted = "application/openmetrics-text;version=1.0.0"
    openmetrics = list(parse_openmetrics(get(receiver.admin + "/metrics", Accept=wanted)[1]))

    assert len(plain) > 30
    assert {family.name for family in plain} == {family.name for family in openmetrics}
    for family in plain:
        assert family.name.startswith("hookline_")
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")
        assert not family.name.endswith(("_ms", "_milliseconds", "_kib"))
    text = get(receiver.admin + "/metrics")[1]
    counters = [line.split()[2] for line in text.splitlines() if line.endswith(" counter")]
    assert [name for name in counters if not name.endswith("_total")] == []


async def test_a_stopped_receiver_is_forgotten(
    own_redis: EmbeddedRedis, own_store: Store, start_receiver: Start, wait_for: WaitFor
) -> None:
    """At once, while one that was killed is for 15 s; what it had counted is there."""
    receiver = start_receiver(own_redis.url)
    wait_for(lambda: read_figures(own_store).receivers, "its report")
    (told,) = read_figures(own_store).receivers
    assert (told.admin, told.pid, told.state) == (receiver.admin, receiver.service.pid, "ready")
    await post_wrong_ones(receiver)
    assert receiver.service.stop() == 0
    assert read_figures(own_store).receivers == ()
    assert read_figures(own_store).sources["misskey"].rejected == {
        "signature": 1,
        "method": 1,
        "too_large": 1,
    }


@pytest.mark.parametrize("path", ["/metrics", "/backlog"])
async def test_neither_is_on_the_port_for_deliveries(receiver: Receiver, path: str) -> None:
    """That one is public."""
    assert get(receiver.url + path)[0] == 404
