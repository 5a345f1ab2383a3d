"""Search: how long looking for events takes among very many, on a page too, and how busy it keeps Redis."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.bench import Bench
from bench.contest import Findings, NotMeasuredError, Sample, Samples, Table
from bench.ours import QUEUE
from bench.report import spread_text
from bench.rows.pages import measure_pages
from bench.stored import BYTES_PER_EVENT, DAY_MS, Finish, Place, fits, store_finished
from hookline.index import Filter, Page, failure_groups, search
from hookline.live import Live
from hookline.operations import now_ms
from hookline.store import Store

NAME = "search"
MS, REDIS_MS, LOOKED_AT = "ms", "redis_ms", "looked_at"
SOURCES = ("team", "docs", "staff", "wiki")
RARE = "esa.rare"
_TYPES = 15
_GOES = 5
_SLOWLOG = 1_000
_NOTE = (
    "Events of four sources and fifteen types, and one in 20,000 of a rare one; one in a hundred is a dead "
    "letter. A page is 50 events, as the console asks for it; what is found nowhere comes back after 0.15 s "
    "with what was looked at, and where to go on. The last column but one is the longest that Redis did "
    "nothing else."
)

Look = Callable[[Store], object]


def measure(bench: Bench) -> Findings:
    """Every way to look, in turn."""
    findings = Findings(NAME)
    stored = bench.size(1_000_000, 20_000)
    if not fits(stored):
        raise NotMeasuredError(f"{stored * BYTES_PER_EVENT / 2**30:.0f} GiB of memory are not free here")
    bench.console.print(f"  [dim]storing {stored:,} finished events[/]")
    with bench.redis() as redis:
        ours = bench.ours(redis)
        store_finished(ours.redis.url, stored, Finish.of_a_worker(ours), place_of)
        store = Store(redis.client, QUEUE)
        looks = _looks(store)
        samples = bench.contest(findings, NAME, {name: _sampler(store, look) for name, look in looks.items()})
        findings.tables.append(_table(samples, stored))
        measure_pages(bench, ours, store, findings, rare=RARE)
    return findings


def place_of(number: int) -> Place:
    """Uneven, as in life: most is of one source, and of a few types."""
    kind = RARE if number % 20_000 == 777 else f"esa.kind_{min(number % 29, _TYPES - 1)}"
    return Place(SOURCES[max(0, number % 10 - 6)], kind, "dead" if number % 100 == 3 else "done")


def _looks(store: Store) -> dict[str, Look]:
    old = Filter(until_ms=now_ms() - 3 * DAY_MS)
    middle = search(store, old).events[0].id
    (group,) = failure_groups(store)
    live = Live(store)
    live.look()
    return {
        "newest page": _page(Filter()),
        "page of three days ago": _page(old),
        "of a source": _page(Filter(source="wiki")),
        "of a type": _page(Filter(type="esa.kind_1*")),
        "of a rare type": _page(Filter(type=RARE)),
        "dead letters": _page(Filter(state="dead")),
        "dead letters of a failure": _page(Filter(failure=group.id)),
        "by id": _page(Filter(id=middle)),
        "by the first 14 digits of an id": _page(Filter(id=middle[:14])),
        "by a text that all have": _page(Filter(text="body_md")),
        "by a text that none has": _page(Filter(text="nowhere to be found")),
        "all of one event": lambda store: store.fields(middle),
        "the groups of dead letters": failure_groups,
        "a look of `hookline tail`": lambda _: live.look(),
    }


def _page(wanted: Filter) -> Look:
    return lambda store: search(store, wanted)


def _sampler(store: Store, look: Look) -> Callable[[], Sample]:
    def sample() -> Sample:
        redis = store.redis
        redis.config_set("slowlog-log-slower-than", 0)
        redis.config_set("slowlog-max-len", _SLOWLOG)
        redis.slowlog_reset()
        took, found = [], None
        for _ in range(_GOES):
            began = time.perf_counter()
            found = look(store)
            took.append((time.perf_counter() - began) * 1000)
        longest = max(entry["duration"] for entry in redis.slowlog_get(_SLOWLOG)) / 1000
        looked_at = found.looked_at if isinstance(found, Page) else 0
        return {MS: statistics.median(took), REDIS_MS: longest, LOOKED_AT: float(looked_at)}

    return sample


def _table(samples: Samples, stored: int) -> Table:
    rows = [
        [name, *(spread_text(samples, name, figure, 1) for figure in (MS, REDIS_MS)), _rate(samples, name)]
        for name in samples
    ]
    columns = ("", "ms", "Redis busy at a time, ms", "events looked at")
    return Table(f"Search among {stored:,} events", columns, rows, _NOTE)


def _rate(samples: Samples, name: str) -> str:
    looked_at = statistics.median(sample[LOOKED_AT] for sample in samples[name])
    seconds = statistics.median(sample[MS] for sample in samples[name]) / 1000
    return f"{looked_at:,.0f} ({looked_at / seconds:,.0f}/s)" if looked_at > 100 else f"{looked_at:,.0f}"
