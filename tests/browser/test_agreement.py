"""The page, `hookline stats` and the metrics say the same, and it is what was sent.

`AGREEMENT_DELIVERIES=10000` sends as many.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Page
from prometheus_client.parser import text_string_to_metric_families

from hookline.operations import now_ms
from hookline.senders import Outgoing, delivery_random, make_delivery, post_all
from hookline_console.wording import count as written
from hookline_console.wording import percent
from tests.pipeline.running import ESA_SECRET, MISSKEY_SECRET, Pipeline, running_pipeline

if TYPE_CHECKING:
    from tests.browser.windows import Window

DELIVERIES = int(os.environ.get("AGREEMENT_DELIVERIES", "1000"))
SHARES = {
    "note": 0.4,
    "mention": 0.1,
    "reaction": 0.05,
    "follow": 0.15,
    "post_create": 0.2,
    "sent again": 0.05,
    "unreadable": 0.01,
    "forged": 0.04,
}
SENT = {what: round(DELIVERIES * share) for what, share in SHARES.items()}
"""How many of each are sent; `note` and so on are new events that can be read."""
OF_SOURCES = ("received", "repeated", "done", "dead", "dead_now", "done_now", "rejected")
OUTCOMES = ("done", "retrying", "dead")
PLUGIN = """
    @action(misskey.Note)
    def fine(event):
        pass

    @action(misskey.Note, attempts=3)
    async def flaky(event, ctx):
        if ctx.attempt < 3:
            raise Retry("not yet", after=0)

    @action(misskey.Mention, attempts=2)
    async def failing(event):
        raise Retry("never", after=0)

    @action(misskey.Reaction)
    def refusing(event):
        raise GiveUp("as ever")

    @action(esa.PostCreate)
    async def copy(event):
        pass
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Pipeline]:
    """Two receiver processes on one port, and two workers that fork."""
    with running_pipeline() as made:
        made.plugin("own", PLUGIN)
        made.start_receiver("--processes", "2")
        made.start_worker()
        made.start_worker()
        made.start_console()
        yield made


def expected() -> dict[str, Any]:
    """What has become of it, in the words of `hookline stats --json`."""
    dead = SENT["mention"] + SENT["reaction"] + SENT["unreadable"]
    done = SENT["note"] + SENT["follow"]
    return {
        "sources": {
            "misskey": {
                "received": done + dead,
                "repeated": SENT["sent again"],
                "done": done,
                "dead": dead,
                "dead_now": dead,
                "done_now": done,
                "rejected": {"signature": SENT["forged"]},
            },
            "team": {
                "received": SENT["post_create"],
                "repeated": 0,
                "done": SENT["post_create"],
                "dead": 0,
                "dead_now": 0,
                "done_now": SENT["post_create"],
                "rejected": {},
            },
        },
        "actions": {
            "own.fine": {"done": SENT["note"], "retrying": 0, "dead": 0},
            "own.flaky": {"done": SENT["note"], "retrying": 2 * SENT["note"], "dead": 0},
            "own.failing": {"done": 0, "retrying": SENT["mention"], "dead": SENT["mention"]},
            "own.refusing": {"done": 0, "retrying": 0, "dead": SENT["reaction"]},
            "own.copy": {"done": SENT["post_create"], "retrying": 0, "dead": 0},
        },
        "backlog": 0,
        "stored": done + dead + SENT["post_create"],
    }


def deliveries(kind: str, secret: str) -> list[Outgoing]:
    """As many of a type as are sent."""
    provider = "esa" if kind == "post_create" else "misskey"
    return [
        make_delivery(provider, kind, secret=secret.encode(), rng=delivery_random(kind, n), now_ms=now_ms())
        for n in range(SENT[kind])
    ]


async def send(stack: Pipeline) -> None:
    """Everything; each answer is the one that is right."""
    events = {kind: deliveries(kind, MISSKEY_SECRET) for kind in ("note", "mention", "reaction", "follow")}
    unreadable = [
        replace(each, body=each.body[: -20 - n])
        for n, each in enumerate(events["note"][: SENT["unreadable"]])
    ]
    forged = [
        replace(each, headers=tuple(pair for pair in each.headers if b"secret" not in pair[0].lower()))
        for each in (events["note"] * 2)[: SENT["forged"]]
    ]
    together = [each for kind in events.values() for each in kind] + unreadable
    await post(stack, "misskey", together, 202)
    await post(stack, "misskey", forged, 401)
    await post(stack, "misskey", events["note"][: SENT["sent again"]], 202)
    await post(stack, "team", deliveries("post_create", ESA_SECRET), 202)


async def post(stack: Pipeline, source: str, sent: list[Outgoing], status: int) -> None:
    """Send these; every answer has this status."""
    async with stack.poster(source, connections=32) as poster:
        answers = await post_all(poster, iter(sent))
    assert [answer.status for answer in answers] == [status] * len(sent)


def in_stats(stack: Pipeline) -> dict[str, Any]:
    """What `hookline stats --json` says of all sources and actions."""
    told = json.loads(stack.cli("stats", "--json").stdout)
    return {
        "sources": {name: {each: of[each] for each in OF_SOURCES} for name, of in told["sources"].items()},
        "actions": {name: {each: of[each] for each in OUTCOMES} for name, of in told["actions"].items()},
        "backlog": told["backlog"],
        "stored": told["stored"],
    }


def in_metrics(stack: Pipeline) -> dict[str, Any]:
    """The same from a receiver's metrics."""
    with urllib.request.urlopen(f"{stack.admin_url}/metrics") as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = [sample for family in families for sample in family.samples]

    def number(name: str, **labels: str) -> int:
        return sum(
            int(each.value) for each in samples if each.name == name and labels.items() <= each.labels.items()
        )

    def source(name: str) -> dict[str, Any]:
        dead_now = number("hookline_dead_letters", source=name)
        reasons = {each.labels["reason"]: int(each.value) for each in samples if refused(each, name)}
        return {
            "received": number("hookline_received_total", source=name),
            "repeated": number("hookline_duplicates_total", source=name),
            "done": number("hookline_done_total", source=name),
            "dead": number("hookline_dead_total", source=name),
            "dead_now": dead_now,
            "done_now": number("hookline_stored_events", source=name) - dead_now,
            "rejected": {reason: count for reason, count in reasons.items() if count},
        }

    def refused(sample: Any, name: str) -> bool:
        return sample.name == "hookline_rejected_total" and sample.labels["source"] == name

    actions = {each.labels["action"] for each in samples if each.name == "hookline_runs_total"}
    return {
        "sources": {name: source(name) for name in ("misskey", "team")},
        "actions": {
            name: {each: number("hookline_runs_total", action=name, outcome=each) for each in OUTCOMES}
            for name in actions
        },
        "backlog": number("hookline_backlog_events"),
        "stored": number("hookline_stored_events"),
    }


async def cells(page: Page, part: str) -> dict[str, dict[str, str]]:
    """A table of the overview: by the row's name, each cell's text by its column's."""
    table = page.locator(f"#{part} table")
    columns = await table.locator("thead th").all_inner_texts()
    rows = await table.locator("tbody tr").all()
    read = [await row.locator("th, td").all_inner_texts() for row in rows]
    return {row[0]: dict(zip(columns, map(str.strip, row), strict=True)) for row in read}


async def legends(page: Page) -> dict[str, str]:
    """The sums beside the charts' colours."""
    told = await page.locator(".legend li").all_inner_texts()
    return {name: number for name, _, number in (each.strip().rpartition(" ") for each in told)}


async def tiles(page: Page) -> dict[str, list[str]]:
    """The large numbers, each with the words below."""
    found = {}
    for tile in await page.locator("#part-numbers .card").all():
        found[await tile.locator("dt").inner_text()] = await tile.locator("dd").all_inner_texts()
    return found


async def test_page_stats_and_metrics_agree_with_what_was_sent(stack: Pipeline, window: Window) -> None:
    """Received, sent again, refused, done, dead, every attempt by its outcome; and nothing is left."""
    await send(stack)
    wanted = expected()
    stack.wait_for(
        lambda: set(stack.states()) <= {"done", "dead"} and in_stats(stack) == wanted, "all of it", 300
    )
    assert in_stats(stack) == wanted
    assert in_metrics(stack) == wanted
    await window.goto("/")
    await assert_told(window.page, wanted)


async def assert_told(page: Page, wanted: dict[str, Any]) -> None:
    """The overview's numbers are these: all of it came within the last hour."""
    sources = wanted["sources"].values()
    sums = {
        name: sum(each[name] for each in sources)
        for name in ("received", "repeated", "done", "dead", "dead_now")
    }
    assert await legends(page) == {
        "new": written(sums["received"]),
        "sent again": written(sums["repeated"]),
        "done": written(sums["done"]),
        "dead": written(sums["dead"]),
    }
    told = await tiles(page)
    assert told["Under way"] == ["0", "0 ready"]
    assert told["Oldest waits"][0] == "–"
    assert told["In"][1] == f"{written(sums['received'])} in the last hour"
    assert told["Finished"][1] == f"{written(wanted['stored'])} events are kept"
    assert told["Dead letters"][0] == written(sums["dead_now"])
    shown = await cells(page, "sources")
    for name, source in wanted["sources"].items():
        row = shown[name]
        assert row["In, last hour"] == written(source["received"])
        assert row["Refused"] == written(sum(source["rejected"].values()))
        assert row["Under way"] == "0"
        assert row["Dead letters"] == written(source["dead_now"])
    shown = await cells(page, "actions")
    assert set(shown) == set(wanted["actions"])
    for name, action in wanted["actions"].items():
        failed, attempts = action["retrying"] + action["dead"], sum(action.values())
        assert shown[name]["Attempts, last hour"] == written(attempts)
        assert shown[name]["Failed"] == percent(failed / attempts)
