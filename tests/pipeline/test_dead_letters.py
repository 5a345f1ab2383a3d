"""Whatever a genuine sender sends is accepted; what cannot be read is a dead letter that says why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Pipeline

UNREADABLE = {
    b"": "the body",
    b"{": "JSON",
    b'{"type": "note", "body": {"note": {"id": NaN}}}': "JSON",
    b"[" * 100_000: "recursion",
    b'{"type":"note","body":' + b'{"renote":' * 5_000 + b"{}" + b"}" * 5_001: "",
    b"\xff\xfe{}": "",
    b"null": "object",
    b'{"body": {}}': "type",
    b'{"type": 7, "body": {}}': "type",
    b'{"type": "note", "body": {"note": "text"}}': "note",
    b'{"type": "note", "body": {"note": {"id": 1' + b"0" * 5_000 + b"}}}": "",
}

EVERYTHING = """
    @action("*")
    def everything(event, ctx):
        tell(event.type)
"""


async def test_what_cannot_be_read_is_a_dead_letter_that_says_why(pipeline: Pipeline) -> None:
    """Signed right, so it is accepted: the model may be mended, and the event replayed."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    ids = {}
    for provider in ("misskey", "esa"):
        for body in UNREADABLE:
            answer = await pipeline.post_body(provider, body)
            assert (answer.status, answer.body["status"]) == (202, "queued")
            ids[answer.body["id"]] = (provider, body)

    pipeline.wait_until_finished(len(ids))

    assert pipeline.states() == {"dead": len(ids)}
    for event_id, (provider, body) in ids.items():
        error = pipeline.store.fields(event_id)["error"].decode()
        assert 10 < len(error) < 1_000
        assert pipeline.store.fields(event_id)["body"] == body
        if provider == "misskey":
            assert UNREADABLE[body].lower() in error.lower()
    assert pipeline.told() == []
    assert worker.exit_status is None


async def test_an_unknown_type_and_stray_characters_run_like_any_event(pipeline: Pipeline) -> None:
    """A type that no model knows, lone surrogates, a NUL in a text: the actions get them."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    lone = (
        b'{"type":"note","eventId":"1","body":{"note":'
        b'{"id":"n","text":"\\ud83d \\u0000","user":{"id":"u","username":"u"}}}}'
    )
    await pipeline.post_body("misskey", lone)
    await pipeline.post_body("misskey", b'{"type":"somethingNew","eventId":"2","body":{"x":1}}')
    await pipeline.post_body("esa", b'{"kind":"post_moved","team":{"name":"t"}}')

    pipeline.wait_until_finished(3)

    assert pipeline.states() == {"done": 3}
    assert sorted(pipeline.told()) == ["esa.post_moved", "misskey.note", "misskey.something_new"]


async def test_dead_letters_are_listed_shown_and_replayed(pipeline: Pipeline) -> None:
    """From the command line: why it failed, and once that is mended, again."""
    flaw = "raise RuntimeError('the target is gone')"
    code = """
        @action(misskey.Mention, attempts=2)
        def forward(event, ctx):
            tell(f"attempt {ctx.attempt} replay {ctx.is_replay}")
            FLAW

        @action(misskey.Mention)
        def sibling(event, ctx):
            tell("sibling")
    """
    pipeline.plugin("bad", code.replace("FLAW", flaw))
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "mention")).body["id"]
    await pipeline.post("misskey", "note")
    pipeline.wait_until_finished(2)

    listed = pipeline.cli("events", "--state", "dead", "--json")
    shown = pipeline.cli("events", "show", event_id)
    worker.stop()
    pipeline.plugin("bad", code.replace("FLAW", "pass"))
    pipeline.start_worker()
    tried = pipeline.cli("replay", "--state", "dead", "--dry-run")
    before = pipeline.told()
    replayed = pipeline.cli("replay", "--state", "dead", "--action", "bad.forward")
    pipeline.wait_for(lambda: pipeline.states() == {"done": 2}, "the replay")
    again = pipeline.cli("events", "show", event_id, "--json")

    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == [event_id]
    assert "RuntimeError: the target is gone" in shown.stdout
    assert "bad.py" in shown.stdout  # the traceback
    assert "would replay 1 event" in tried.stdout
    assert sorted(before) == ["attempt 1 replay False", "attempt 2 replay False", "sibling"]
    assert "replaying 1 event" in replayed.stdout
    assert pipeline.told() == [*before, "attempt 1 replay True"]
    story = json.loads(again.stdout)
    assert story["runs"]["bad.forward"]["state"] == "done"
    assert len(story["past_runs"]["1"]["bad.forward"]["attempts"]) == 2


async def test_replaying_everything_runs_every_action_again(pipeline: Pipeline) -> None:
    """By id; what is not there, and what is not said, is refused with a way out."""
    pipeline.plugin("all", EVERYTHING)
    pipeline.start_receiver()
    pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_until_finished(1)

    assert pipeline.cli("replay", event_id).returncode == 0
    pipeline.wait_for(lambda: pipeline.told() == ["misskey.note"] * 2, "the replay")

    missing = pipeline.cli("replay", "nothing")
    unsaid = pipeline.cli("replay")
    assert (missing.returncode, missing.stderr) == (
        2,
        "there is no event 'nothing'; `hookline events` lists those that there are\n",
    )
    assert (unsaid.returncode, "--state dead" in unsaid.stderr) == (2, True)


async def test_an_action_that_is_gone_uses_up_its_attempts(pipeline: Pipeline) -> None:
    """A run is not forgotten because a plugin was renamed: the event ends as a dead letter that says so."""
    pipeline.configure("attempts = 3")
    pipeline.plugin(
        "old",
        """
        @action(misskey.Note)
        def act(event):
            raise Retry("later", after=1)
        """,
    )
    pipeline.start_receiver()
    worker = pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_for(lambda: pipeline.state(event_id) == "retrying", "the first attempt")
    worker.stop()
    (pipeline.plugins / "old.py").unlink()
    pipeline.start_worker()

    pipeline.wait_until_finished(1)

    run = pipeline.runs(event_id)["old.act"]
    assert (run.state, run.error) == ("dead", "no plugin here has an action 'old.act'")


async def test_a_retry_falls_due_while_a_sibling_still_runs(pipeline: Pipeline) -> None:
    """One slow action of an event does not hold up the retry of another."""
    pipeline.plugin(
        "both",
        """
        import asyncio

        @action(misskey.Note)
        async def slow(event):
            await asyncio.sleep(5)
            tell("slow ends")

        @action(misskey.Note)
        async def flaky(event, ctx):
            tell(f"attempt {ctx.attempt}")
            if ctx.attempt < 3:
                raise Retry("soon", after=0.2)
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    event_id = (await pipeline.post("misskey", "note")).body["id"]
    pipeline.wait_until_finished(1)

    assert pipeline.told() == ["attempt 1", "attempt 2", "attempt 3", "slow ends"]
    assert pipeline.state(event_id) == "done"
