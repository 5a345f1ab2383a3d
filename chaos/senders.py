"""The two senders: one that tries four times, as Misskey does, and one that never tries again, as esa may."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable

from chaos.deliveries import PROVIDERS, Delivery
from chaos.records import Answer
from hookline.senders import Answer as HttpAnswer
from hookline.senders import Poster

TRIES = {"misskey": 4, "team": 1}
MINUTE_SECONDS = 60.0
FASTER = 20
"""By how much the time between a sender's tries is shorter than Misskey's own 1, 3 and 7 minutes."""
JITTER = 0.2
CONNECTIONS = 64
TIMEOUT_SECONDS = 5.0
"""How long Misskey waits for an answer."""


class Senders:
    """Sends deliveries at a steady rate, however the receivers do, and notes every answer."""

    def __init__(
        self, url: str, seed: int, answers: list[Answer], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._url, self._answers, self._timeout_seconds = url, answers, timeout_seconds
        self._random = random.Random(f"{seed}:senders")  # noqa: S311 (jitter)
        self.sent = 0

    async def send(self, deliveries: Iterable[Delivery], rate_per_second: float) -> None:
        """Send them all, and come back when each was accepted or given up."""
        posters = {
            source: Poster(
                f"{self._url}/hooks/{source}", connections=CONNECTIONS, timeout_seconds=self._timeout_seconds
            )
            for source in PROVIDERS
        }
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, delivery in enumerate(deliveries):
                await asyncio.sleep(began + number / rate_per_second - time.monotonic())
                group.create_task(self._deliver(posters[delivery.source], delivery))
                self.sent += 1
        for poster in posters.values():
            await poster.__aexit__(None, None, None)

    async def _deliver(self, poster: Poster, delivery: Delivery) -> None:
        for number in range(TRIES[delivery.source]):
            if number:
                await asyncio.sleep(self._pause_seconds(number))
            began = time.monotonic()
            answer = await poster.post(delivery.outgoing)
            self._answers.append(_noted(delivery, answer, began))
            if not _is_tried_again(answer):
                return

    def _pause_seconds(self, retry: int) -> float:
        """Misskey's own: 2ⁿ − 1 minutes and up to a fifth more."""
        return (2.0**retry - 1) * MINUTE_SECONDS * (1 + JITTER * self._random.random()) / FASTER


def _is_tried_again(answer: HttpAnswer) -> bool:
    """Misskey tries again after 5xx, 429 and whatever isn't an answer."""
    return answer.status in (0, 429) or answer.status >= 500


def _noted(delivery: Delivery, answer: HttpAnswer, began: float) -> Answer:
    body = answer.body or {}
    return Answer(
        delivery=delivery.key,
        source=delivery.source,
        kind=delivery.kind,
        began=began,
        ended=time.monotonic(),
        status=answer.status,
        outcome=answer.error or str(body.get("status", "")),
        event_id=str(body.get("id", "")) if answer.is_success else "",
        has_retry_after="retry-after" in answer.headers,
    )
