"""`max_per_second`: a burst of one second's worth, and no more in the long run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from hookline.embedded import EmbeddedRedis
from hookline_receiver.pace import Pace

if TYPE_CHECKING:
    from conftest import Receiver

TOLD = "a source sends more than its max_per_second; its senders are told to try again"


@given(st.floats(0.1, 100), st.lists(st.floats(0, 3), max_size=200))
def test_no_more_than_the_rate_and_a_burst(per_second: float, pauses: list[float]) -> None:
    """However they come; and one that keeps to the rate is never refused."""
    now = [0.0]
    pace = Pace("misskey", per_second, clock=lambda: now[0])
    taken = 0
    for pause in pauses:
        now[0] += pause
        may = pace.allows_one_more()
        assert may or pause < 1 / per_second
        taken += may
    assert taken <= max(1.0, per_second) + now[0] * per_second + 1e-6


async def test_what_is_more_than_the_limit_is_told_to_try_again(
    redis: EmbeddedRedis, start_receiver: Callable[..., Receiver]
) -> None:
    """The first is let in, the others are not. What isn't genuine doesn't use it up, nor do other sources."""
    receiver = start_receiver(redis.url, HOOKLINE_SOURCES__MISSKEY__MAX_PER_SECOND="0.001")
    forged = receiver.delivery(number=1)
    for _ in range(3):
        wrong = await receiver.exchange(receiver.raw(forged).replace(b"misskey-secret", b"another-secret"))
        assert wrong
        assert wrong.status == 401
    answers = [await receiver.post(receiver.delivery(number=number)) for number in range(3)]
    assert [answer.status for answer in answers] == [202, 503, 503]
    assert answers[1].headers["retry-after"] == "10"
    assert (await receiver.post(receiver.delivery(number=5), "open")).status == 202
    assert [line["level"] for line in receiver.log if line["event"] == TOLD] == ["warning"]
