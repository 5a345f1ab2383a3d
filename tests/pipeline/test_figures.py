"""The figures agree with what was sent, across receiver processes, a forking worker and its children."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hookline.figures import read_figures, read_minutes
from hookline.operations import now_ms
from hookline.providers import Delivery

if TYPE_CHECKING:
    from conftest import Pipeline

FOLLOWS, RENOTES, UNREADABLE, REFUSED = 120, 40, 3, 5

PLUGIN = """
    @action(misskey.Follow)
    def good(event):
        pass

    @action(misskey.Follow, attempts=3)
    async def flaky(event, ctx):
        if ctx.attempt == 1:
            raise Retry(after=0)

    @action(misskey.Renote)
    def broken(event):
        raise GiveUp("as ever")
"""


SLOW = """
    import pathlib, time

    @action(misskey.Follow)
    def slow(event):
        while not pathlib.Path({end!r}).exists():
            time.sleep(0.01)
"""


async def send(pipeline: Pipeline) -> None:
    """Everything, some of it twice, some of it wrong."""
    await pipeline.post_many("follow", FOLLOWS)
    await pipeline.post_many("renote", RENOTES)
    for _ in range(2):
        await pipeline.post("esa", "post_create")
    for number in range(UNREADABLE):
        answer = await pipeline.post_body("misskey", b"{" + bytes([48 + number]))
        assert answer.status == 202
    async with pipeline.poster("misskey") as poster:
        for _ in range(REFUSED):
            assert (await poster.post(Delivery([], b"{}"))).status == 401


async def test_the_figures_agree_with_what_was_sent(pipeline: Pipeline) -> None:
    """By source, by action and by the minute; and with what is stored of the events themselves."""
    pipeline.plugin("some", PLUGIN)
    pipeline.start_receiver("--processes", "2")
    worker = pipeline.start_worker()
    await send(pipeline)
    pipeline.wait_until_finished(FOLLOWS + RENOTES + 1 + UNREADABLE)
    pipeline.wait_for(
        lambda: sum(read_figures(pipeline.store).sources["misskey"].rejected.values()) == REFUSED, "tallies"
    )
    total = FOLLOWS + RENOTES + UNREADABLE + 2
    pipeline.wait_for(lambda: read_figures(pipeline.store).commits.events == total, "tallies")

    figures = read_figures(pipeline.store)

    misskey, team = figures.sources["misskey"], figures.sources["team"]
    assert (misskey.received, misskey.repeated) == (FOLLOWS + RENOTES + UNREADABLE, 0)
    assert (team.received, team.repeated, team.done, team.done_now) == (1, 1, 1, 1)
    assert (misskey.done, misskey.done_now) == (FOLLOWS, FOLLOWS)
    assert (misskey.dead, misskey.dead_now) == (RENOTES + UNREADABLE, RENOTES + UNREADABLE)
    assert misskey.rejected == {"signature": REFUSED}
    assert (figures.backlog, figures.ready, misskey.retrying, figures.oldest_waiting_ms) == (0, 0, 0, None)
    attempts = {
        name.partition(".")[2]: (each.done, each.retrying, each.dead)
        for name, each in figures.actions.items()
    }
    assert attempts == {"good": (FOLLOWS, 0, 0), "flaky": (FOLLOWS, FOLLOWS, 0), "broken": (0, 0, RENOTES)}
    for action in figures.actions.values():
        assert sum(action.buckets.values()) == action.attempts
    commits = figures.commits
    assert sum(commits.buckets.values()) == sum(commits.group_buckets.values()) == commits.count <= total
    assert pipeline.states() == {"done": misskey.done_now + 1, "dead": misskey.dead_now}
    by_minute: Counter[str] = Counter()
    for minute in read_minutes(pipeline.store, 10, now_ms()):
        by_minute.update(minute.counts)
    assert by_minute["received:misskey"] == misskey.received
    assert by_minute["rejected:signature:misskey"] == REFUSED
    assert sum(n for name, n in by_minute.items() if name.startswith("runs:done:")) == 2 * FOLLOWS
    assert len({each.pid for each in figures.receivers}) == 2
    assert [each.pid for each in figures.workers] == [worker.pid]


async def test_a_group_under_way_is_seen_at_its_worker(pipeline: Pipeline) -> None:
    """With its events, for as long as it runs."""
    pipeline.plugin("slow", SLOW.format(end=str(pipeline.folder / "end")))
    pipeline.start_receiver()
    pipeline.start_worker()
    (event_id,) = await pipeline.post_many("follow", 1)

    pipeline.wait_for(lambda: read_figures(pipeline.store).workers[0].groups, "a group under way")

    (worker,) = read_figures(pipeline.store).workers
    (group,) = worker.groups
    assert (worker.state, group.event_ids) == ("busy", (event_id,))
    assert 0 <= now_ms() - (group.began_at_ms or 0) < 60_000
    assert read_figures(pipeline.store).oldest_waiting_ms is None
    (pipeline.folder / "end").touch()
