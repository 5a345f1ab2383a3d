"""Many commands in one round trip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from redis import Redis

Command = tuple[str | int | bytes, ...]


def ask(redis: Redis, commands: Sequence[Command], *, may_fail: int = 0) -> list[Any]:
    """The answers. Of the last `may_fail` commands an error is an answer; of the others it is raised."""
    with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        answers = pipeline.execute(raise_on_error=False)
    for answer in answers[: len(answers) - may_fail]:
        if isinstance(answer, Exception):
            raise answer
    return answers


def ask_in_parts(redis: Redis, parts: Sequence[Sequence[Command]]) -> Iterator[list[Any]]:
    """The answers to each part, all of them asked for at once."""
    answers = iter(ask(redis, [command for part in parts for command in part]))
    return (list(islice(answers, len(part))) for part in parts)
