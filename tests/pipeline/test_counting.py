"""The counters agree with what was sent and what became of it, whatever processes it went through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hookline.keys import COUNTERS_KEY, MINUTE_PREFIX

if TYPE_CHECKING:
    from conftest import Pipeline

NOTES, MENTIONS = 150, 50
OTHERS = ("run_", "last:", "commit", "group")
"""Times, and what depends on how deliveries fell into groups."""
BODY = b'{"hookId":"h","userId":"u","eventId":"e","createdAt":1700000000000,"type":"renote","body":{}}'
PLUGIN = """
@action(misskey.Note)
async def fine(event):
    pass

@action(misskey.Note, attempts=3)
def fails(event, ctx):
    if ctx.attempt < 3:
        raise Retry("not yet", after=0.01)

@action(misskey.Mention, attempts=2)
async def dies(event, ctx):
    raise Retry(f"never {ctx.event_id}", after=0.01)
"""


@pytest.mark.parametrize("options", [(), ("--no-fork",)], ids=["forking", "no fork"])
async def test_the_counters_agree_with_what_was_sent(pipeline: Pipeline, options: tuple[str, ...]) -> None:
    """Every event, every attempt, every dead letter once; and the minutes add up to the totals."""
    pipeline.plugin("some", PLUGIN)
    pipeline.start_receiver()
    pipeline.start_worker(*options)
    pipeline.start_worker(*options)
    await pipeline.post_many("note", NOTES)
    await pipeline.post_many("mention", MENTIONS)
    for _ in range(3):
        await pipeline.post_body("misskey", BODY)
    pipeline.wait_until_finished(NOTES + MENTIONS + 1)

    counted = counters(pipeline)
    told = {name: n for name, n in counted.items() if n and not name.startswith(OTHERS)}
    assert told == {
        "received:misskey": NOTES + MENTIONS + 1,
        "repeated:misskey": 2,
        "done:misskey": NOTES,
        "dead:misskey": MENTIONS + 1,
        "runs:done:some.fine": NOTES,
        "runs:done:some.fails": NOTES,
        "runs:retrying:some.fails": 2 * NOTES,
        "runs:retrying:some.dies": MENTIONS,
        "runs:dead:some.dies": MENTIONS,
    }
    timed = [n for name, n in counted.items() if name.startswith("run_le:") and name.endswith(".fails")]
    assert sum(timed) == 3 * NOTES
    by_minute: dict[str, int] = {}
    for key in pipeline.store.redis.scan_iter(MINUTE_PREFIX + "*"):
        for name, n in hash_of(pipeline, key).items():
            by_minute[name] = by_minute.get(name, 0) + n
    assert by_minute == {name: n for name, n in counted.items() if name in by_minute}
    assert by_minute["done:misskey"] == NOTES


def counters(pipeline: Pipeline) -> dict[str, int]:
    """The totals."""
    return hash_of(pipeline, COUNTERS_KEY)


def hash_of(pipeline: Pipeline, key: Any) -> dict[str, int]:
    """A hash of numbers."""
    fields: Any = pipeline.store.redis.hgetall(key)
    return {name.decode(): int(n) for name, n in fields.items()}
