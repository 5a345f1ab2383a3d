"""Whatever an action does, its siblings are done once, and the worker lives."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hookline.events import snake_case

if TYPE_CHECKING:
    from conftest import Pipeline

WAYS = {
    "fails_twice": "if ctx.attempt < 3: raise ValueError('not yet')",
    "always_fails": "raise ValueError('never')",
    "hangs": "await asyncio.sleep(3600)",
    "blocks": "time.sleep(3600)",
    "exits": "raise SystemExit(3)",
    "aborts": "os.abort()",
    "leaves": "os._exit(0)",
    "segfaults": "os.kill(os.getpid(), signal.SIGSEGV)",
}

SIBLING = """
    @action(misskey.Note)
    async def sibling(event, ctx):
        tell("sibling " + ctx.event_id)
"""

MISBEHAVING = """
@action({event}, attempts=3, timeout=0.5)
{kind} {name}(event, ctx):
    {way}
"""


SIBLINGS = 16


async def test_actions_that_fail_hang_or_exit_leave_their_siblings_alone(pipeline: Pipeline) -> None:
    """One group of events; some actions misbehave in every way that leaves the process alive."""
    misbehaving = {
        "esa.PostCreate": ("fails_twice", "async def", "done", None),
        "esa.PostUpdate": ("fails_twice", "def", "done", None),
        "esa.PostArchive": ("always_fails", "async def", "dead", "ValueError: never"),
        "esa.PostDelete": ("hangs", "async def", "dead", "TimeoutError: not finished after 0.5 s"),
        "esa.PostRestore": ("blocks", "def", "dead", "TimeoutError: not finished after 0.5 s"),
        "esa.CommentCreate": ("exits", "async def", "dead", "SystemExit: 3"),
        "esa.MemberJoin": ("exits", "def", "dead", "SystemExit: 3"),
    }
    code = "import asyncio, time\n"
    for number, (event, (way, kind, _, _)) in enumerate(misbehaving.items()):
        code += MISBEHAVING.format(event=event, kind=kind, name=f"bad{number}", way=WAYS[way])
    pipeline.plugin("siblings", SIBLING)
    pipeline.plugin("bad", code)
    pipeline.start_receiver()
    notes = await pipeline.post_many("note", SIBLINGS)
    kinds = [snake_case(event.removeprefix("esa.")) for event in misbehaving]
    bad = [await pipeline.post("esa", kind, number) for number, kind in enumerate(kinds)]
    bad_ids = [answer.body["id"] for answer in bad]
    pipeline.enqueue_together([*notes[:8], *bad_ids, *notes[8:]])
    worker = pipeline.start_worker()

    pipeline.wait_until_finished(SIBLINGS + len(misbehaving))

    runs = [pipeline.runs(event_id)[f"bad.bad{n}"] for n, event_id in enumerate(bad_ids)]
    expected = [(state, error, 3) for _, _, state, error in misbehaving.values()]
    assert [(run.state, run.error, len(run.attempts)) for run in runs] == expected
    assert [pipeline.state(event_id) for event_id in notes] == ["done"] * SIBLINGS
    assert sorted(pipeline.told()) == sorted(f"sibling {event_id}" for event_id in notes)
    assert worker.exit_status is None


@pytest.mark.parametrize(
    ("way", "kind", "error"),
    [
        ("aborts", "async def", "process died: signal 6 (Aborted)"),
        ("leaves", "def", "process died: exit status 0"),
        ("segfaults", "def", "process died: signal 11 (Segmentation fault)"),
        ("blocks", "async def", "process died: an action blocked the event loop"),
    ],
)
async def test_an_action_that_kills_its_process_is_found_and_its_siblings_are_done(
    pipeline: Pipeline, way: str, kind: str, error: str
) -> None:
    """The group is split after the first death; alone, the culprit uses up its attempts and is named."""
    pipeline.plugin("siblings", SIBLING)
    code = MISBEHAVING.format(event="misskey.Mention", kind=kind, name="kill", way=WAYS[way])
    if way == "blocks":  # nothing can be timed out on a loop that stands still: it takes 5 s to be sure
        code = code.replace("attempts=3", "attempts=1")
    pipeline.plugin("bad", "import asyncio, os, signal, time\n" + code)
    pipeline.start_receiver()
    notes = await pipeline.post_many("note", SIBLINGS)
    mention = (await pipeline.post("misskey", "mention")).body["id"]
    pipeline.enqueue_together([*notes[:8], mention, *notes[8:]])
    worker = pipeline.start_worker()

    pipeline.wait_until_finished(SIBLINGS + 1)

    assert [pipeline.state(event_id) for event_id in notes] == ["done"] * SIBLINGS
    run = pipeline.runs(mention)["bad.kill"]
    assert (run.state, run.error, len(run.attempts)) == ("dead", error, 1 if way == "blocks" else 3)
    last_words = [line for line in pipeline.log if "blocks the event loop" in line["event"]]
    assert {line["event_id"] for line in last_words} == ({mention} if way == "blocks" else set())
    # a sibling not yet recorded when the process died may have run a second time, and no third
    told = Counter(pipeline.told())
    assert set(told) == {f"sibling {event_id}" for event_id in notes}
    assert max(told.values()) <= 2
    assert [len(pipeline.runs(event_id)["siblings.sibling"].attempts) for event_id in notes] == [1] * SIBLINGS
    assert worker.exit_status is None


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_run_that_ended_is_recorded_although_a_sibling_holds_up_the_loop(
    pipeline: Pipeline, kind: str
) -> None:
    """And takes the process with it, afterwards: what had ended is not run again."""
    pipeline.plugin(
        "both",
        f"""
        import os, pathlib, signal, time
        @action(misskey.Follow)
        {kind} ended(event):
            tell("ended")
        @action(misskey.Follow)
        async def hold_up(event):
            time.sleep(0.5)
            first = pathlib.Path({str(pipeline.folder / "first")!r})
            if not first.exists():
                first.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    await pipeline.post("misskey", "follow")
    pipeline.wait_until_finished(1)
    assert pipeline.told() == ["ended"]
