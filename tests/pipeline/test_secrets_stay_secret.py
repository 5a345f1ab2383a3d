"""No secret in Redis, in a log line or in an answer: all three are searched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.operations import now_ms
from hookline.senders import delivery_random, make_delivery

if TYPE_CHECKING:
    from conftest import Pipeline

SECRETS = ("misskey-secret-7Qp2", "esa-secret-9fLw", "a-wrong-guess-55")


async def test_no_secret_is_stored_logged_or_answered(pipeline: Pipeline, monkeypatch) -> None:
    """Right and wrong secrets, at the chattiest log level, with an action that fails on its way."""
    monkeypatch.setenv("HOOKLINE_LOGGING__LEVEL", "debug")
    pipeline.plugin(
        "bad",
        """
        @action("*", attempts=1)
        def fail(event, ctx):
            ctx.log.info("event", event=repr(event), settings=repr(ctx.settings))
            raise RuntimeError(repr(ctx))
        """,
    )
    pipeline.start_receiver()
    pipeline.start_worker()
    answers = [
        await pipeline.post("misskey", "note", 1),
        await pipeline.post("esa", "post_create", 2),
        await pipeline.post_body("esa", b"not JSON"),
    ]
    forged = make_delivery(
        "misskey", "note", secret=SECRETS[2].encode(), rng=delivery_random(0, 3), now_ms=now_ms()
    )
    for source in ("misskey", "team", "other", SECRETS[0]):
        async with pipeline.poster(source) as poster:
            answers.append(await poster.post(forged))
    pipeline.wait_until_finished(3)
    for service in pipeline.services:
        service.stop()

    assert [answer.status for answer in answers] == [202, 202, 202, 401, 401, 404, 404]
    told = " ".join(answer.text for answer in answers)
    for secret in SECRETS:
        assert secret not in told
        assert secret not in pipeline.log_text()
        assert secret.encode() not in _everything_in(pipeline.store.redis)


def _everything_in(redis) -> bytes:
    parts = []
    for key in redis.scan_iter("*"):
        kind = redis.type(key)
        if kind == b"none":  # a lease, say, that has run out since the scan
            continue
        read = {
            b"hash": lambda key: b" ".join(sum(redis.hgetall(key).items(), ())),
            b"string": redis.get,
            b"list": lambda key: b" ".join(redis.lrange(key, 0, -1)),
            b"set": lambda key: b" ".join(redis.smembers(key)),
            b"zset": lambda key: b" ".join(redis.zrange(key, 0, -1)),
        }[kind]
        parts += [key, read(key) or b""]
    return b" ".join(parts)
