"""Pages of the console among very many events: how long one waits for each, as `search` has stored them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from urllib.parse import urlencode

from bench.bench import Bench
from bench.console import Console, Visitor
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table
from bench.ours import Ours
from bench.report import spread_text
from hookline.index import Filter, failure_groups, search
from hookline.keys import EVENTS_PREFIX
from hookline.operations import now_ms
from hookline.store import Store
from hookline_console.events import SEARCH_SECONDS

NAME = "pages"
MEDIAN_MS, P95_MS = "median_ms", "p95_ms"
VISITS = 20
_DAY_MS = 24 * 60 * 60 * 1000
_NOTE = (
    "From the request to the last byte, over one connection of somebody who is logged in: the median and the "
    f"95th percentile of {VISITS} visits. What none has is looked for during {SEARCH_SECONDS:g} s; the page "
    "then says how far it came, and its script goes on."
)


def measure_pages(bench: Bench, ours: Ours, store: Store, findings: Findings, *, rare: str) -> None:
    """Visit every page in turn."""
    with Console(ours) as console, Visitor(console.url) as visitor:
        samplers = {name: _sampler(visitor, *page) for name, page in _pages(store, rare).items()}
        samples = bench.contest(findings, NAME, samplers)
    stored = sum(store.redis.zcard(EVENTS_PREFIX + name) for name in store.index_names())
    findings.tables.append(_table(samples, stored))


def _pages(store: Store, rare: str) -> dict[str, tuple[str, str]]:
    """The address of each page, and a text that must be on it."""
    middle = search(store, Filter(until_ms=now_ms() - 3 * _DAY_MS)).events[0].id
    group = failure_groups(store)[0].id

    def events(**query: str) -> str:
        return f"/events?{urlencode(query)}"

    return {
        "overview": ("/", "Redis"),
        "events": ("/events", "Older events"),
        "page of three days ago": (events(cursor=middle), "Older events"),
        "of a source": (events(source="wiki"), "Older events"),
        "of a rare type": (events(type=rare), rare),
        "dead ones": (events(state="dead"), "Older events"),
        "dead ones of a source and a type": (events(state="dead", source="wiki", type="esa.kind_1"), "dead"),
        "of a day": (events(since="4d", until="3d"), "data-row"),
        "by the first digits of an id": (events(id=middle[:14]), middle),
        "with a text that all have": (events(text="body_md"), "Older events"),
        "with a text that none has": (events(text="nowhere to be found"), "Events"),
        "one event": (f"/events/{middle}", middle),
        "dead letters": ("/dead", group),
        "a group of dead letters": (f"/dead/{group}", "Older events"),
        "sources": ("/sources", "Sources"),
    }


def _sampler(visitor: Visitor, path: str, text: str) -> Callable[[], Sample]:
    def sample() -> Sample:
        took = []
        for _ in range(VISITS):
            took_ms, page = visitor.get(path)
            if text not in page:
                raise NotMeasuredError(f"{path} has no {text!r}")
            took.append(took_ms)
        return {MEDIAN_MS: statistics.median(took), P95_MS: statistics.quantiles(took, n=20)[-1]}

    return sample


def _table(samples: Samples, stored: int) -> Table:
    rows = [
        [name, *(spread_text(samples, name, each, 1) for each in (MEDIAN_MS, P95_MS))] for name in samples
    ]
    return Table(f"Pages of the console among {stored:,} events", ("", "median, ms", "p95, ms"), rows, _NOTE)
