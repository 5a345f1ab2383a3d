"""Every line that is logged about an event names it, from the request to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hookline.senders.wire import compact_json

if TYPE_CHECKING:
    from conftest import Pipeline

FORKING = pytest.mark.parametrize("arguments", [(), ("--no-fork",)], ids=["forking", "no-fork"])

TALKATIVE = """
    import asyncio, concurrent.futures, logging, threading, time
    import structlog

    library = logging.getLogger("a_library")

    def talk(ctx, word):
        library.warning("%s: stdlib, %s", ctx.event_id, word)
        structlog.get_logger().info(f"{ctx.event_id}: structlog, {word}")
        ctx.log.info(f"{ctx.event_id}: ctx.log, {word}")
        future = concurrent.futures.Future()
        future.set_result(ctx.event_id)
        future.add_done_callback(fail)  # which the standard library logs

    def fail(future):
        raise ValueError(future.result())

    def wanted(event):
        structlog.contextvars.bind_contextvars(leaked="from when")
        library.warning("asked")
        return True

    @action(misskey.Note, when=wanted)
    async def on_loop(event, ctx):
        structlog.contextvars.bind_contextvars(leaked=ctx.event_id, action="stolen")
        structlog.contextvars.clear_contextvars()
        ctx.log.info("cleared")
        await asyncio.sleep(0.01)

    @action(misskey.Note, attempts=2)
    async def also_on_loop(event, ctx):
        talk(ctx, "first")
        await asyncio.sleep(0.02)
        await asyncio.gather(asyncio.to_thread(talk, ctx, "thread"), asyncio.create_task(later(ctx)))
        if ctx.attempt == 1:
            raise Retry("once more", after=0)

    async def later(ctx):
        await asyncio.sleep(0)
        talk(ctx, "task")

    @action(misskey.Note)
    def in_thread(event, ctx):
        talk(ctx, "first")
        time.sleep(0.02)
        talk(ctx, "second")
"""


@FORKING
async def test_every_line_of_a_run_says_which_event_it_is_about(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Ours, the author's and the libraries', on the loop and in threads, and no line says another's."""
    monkeypatch.setenv("HOOKLINE_LOGGING__LEVEL", "debug")
    pipeline.plugin("talkative", TALKATIVE)
    pipeline.start_receiver()
    ids = await pipeline.post_many("note", 12)
    pipeline.enqueue_together(ids)
    pipeline.start_worker(*arguments)
    pipeline.wait_until_finished(12)
    for service in pipeline.services:
        service.stop()

    assert set(pipeline.states()) == {"done"}
    for event_id in ids:
        told = [line for line in pipeline.log if f"{event_id}: " in line["event"]]
        assert len(told) == (2 * 3 + 2) * 3  # also_on_loop twice, in_thread; each by three loggers
        assert {_about(line)[:1] + _about(line)[3:] for line in told} == {(event_id, "misskey")}
        assert {_about(line)[1:3] for line in told} == {
            ("talkative.also_on_loop", 1),
            ("talkative.also_on_loop", 2),
            ("talkative.in_thread", 1),
        }
        assert {line["logger"] for line in told if "stdlib" in line["event"]} == {"a_library"}
        story = [line for line in pipeline.log if line.get("event_id") == event_id]
        assert _count(story, "exception calling callback") == 2 * 3 + 2
        assert [_count(story, said) for said in ("delivery accepted", "asked", "cleared")] == [1, 1, 1]
        assert [_count(story, said) for said in ("run is done", "run failed and is tried again")] == [3, 1]
    assert [line for line in pipeline.log if "leaked" in line and line["event"] != "asked"] == []
    assert [line for line in pipeline.log if line["event"] == "asked" and "event_id" not in line] == []


def _about(line: dict[str, Any]) -> tuple[Any, ...]:
    return line["event_id"], line["action"], line["attempt"], line["source"]


def _count(lines: list[dict[str, Any]], said: str) -> int:
    return sum(said in line["event"] for line in lines)


async def test_what_kills_or_cannot_be_read_is_told_with_the_events_id(pipeline: Pipeline) -> None:
    """A child's death names its events, and a payload that is none the dead letter."""
    pipeline.plugin("bad", "import os\n@action(misskey.Note, attempts=1)\ndef die(event): os.abort()")
    pipeline.start_receiver()
    killer = (await pipeline.post("misskey", "note")).body["id"]
    unread = (await pipeline.post_body("misskey", compact_json({"no": "event"}))).body["id"]
    pipeline.start_worker()
    pipeline.wait_until_finished(2)
    for service in pipeline.services:
        service.stop()
    deaths = [
        line for line in pipeline.log if line["event"] == "a child died; its events run again, each alone"
    ]
    assert deaths
    assert all(killer in line["event_ids"] and len(line["event_ids"]) == line["events"] for line in deaths)
    (parsed,) = [line for line in pipeline.log if "cannot be parsed" in line["event"]]
    assert parsed["event_id"] == unread
