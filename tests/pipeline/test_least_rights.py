"""A Redis user who may do just what docs/high-availability.md says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from hookline.replays import bulks

if TYPE_CHECKING:
    from conftest import Pipeline

PAGE = Path(__file__).parents[2] / "docs" / "high-availability.md"
PASSWORD = "redis-password-5Tz1"


def documented_rule() -> list[str]:
    """The command of the page that makes the user, word by word."""
    (rule,) = re.findall(r"^ACL SETUSER .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return shlex.split(rule.replace("PASSWORD", PASSWORD))


async def test_the_documented_user_suffices_for_everything(pipeline: Pipeline) -> None:
    """Receiver, both kinds of worker, retries, dead letters, replays, the commands: Redis refuses nothing."""
    administrator = pipeline.store.redis
    administrator.execute_command(*documented_rule())
    in_url = pipeline.redis.url.replace("unix://", f"unix://hookline:{PASSWORD}@")
    pipeline.more_environment = {"HOOKLINE_REDIS__URL": in_url}
    pipeline.plugin(
        "all",
        """
        @action("*")
        def well(event): tell("well")
        @action(misskey.Mention, attempts=2)
        def ill(event): raise ValueError
        """,
    )
    pipeline.start_receiver()
    workers = [pipeline.start_worker(), pipeline.start_worker("--no-fork")]
    for number in range(4):
        await pipeline.post("misskey", "mention", number)
    pipeline.wait_until_finished(4)
    commands = (
        ["check"],
        ["events"],
        ["stats"],
        ["pause", "--source", "team"],
        ["resume", "--source", "team"],
        ["replay", "--state", "dead"],
        ["replays"],
        ["purge", "--state", "done", "--yes"],
    )
    assert [pipeline.cli(*command).returncode for command in commands] == [0] * len(commands)
    pipeline.wait_for(lambda: [each.state for each in bulks(pipeline.store)] == ["done"], "the replay")
    pipeline.wait_until_finished(4)
    assert [worker.stop() for worker in workers] == [0, 0]
    users = {client["user"] for client in administrator.client_list()}
    assert "hookline" in users
    assert refusals(administrator) == []


async def test_the_documented_user_can_do_no_more(pipeline: Pipeline) -> None:
    """Other programs' keys, and what an administrator does, are closed to it."""
    administrator = pipeline.store.redis
    administrator.execute_command(*documented_rule())
    client = redis.Redis.from_url(pipeline.redis.url, username="hookline", password=PASSWORD)
    for command in ("GET other", "FLUSHALL", "KEYS *", "SHUTDOWN", "CONFIG SET maxmemory 1", "ACL LIST"):
        try:
            client.execute_command(*command.split())
        except redis.exceptions.NoPermissionError:
            continue
        raise AssertionError(f"{command} was allowed")
    client.close()


def refusals(administrator: redis.Redis) -> list[tuple[str, str]]:
    """What Redis refused the user, and why; CLIENT SETINFO is a courtesy that redis-py does without."""
    courtesy = {"client|setinfo", "client"}  # as Redis 6.2 calls it
    log = [(str(entry["reason"]), str(entry["object"])) for entry in administrator.acl_log()]
    return [each for each in log if each[1] not in courtesy]
