"""What somebody can do who has a delivery as it was on the wire: as docs/security.md says, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Receiver
    from hookline.senders import Outgoing

SOURCES = {"misskey": ("misskey", "follow"), "esa": ("team", "post_create")}


def with_header(delivery: Outgoing, name: bytes, value: bytes) -> Outgoing:
    """The delivery with this header in the place of its own."""
    others = [header for header in delivery.headers if header[0].lower() != name]
    return replace(delivery, headers=[*others, (name, value)])


@pytest.mark.parametrize("provider", SOURCES)
async def test_sent_again_it_is_a_duplicate(receiver: Receiver, provider: str) -> None:
    """However often, and with whatever else is in its headers."""
    source, kind = SOURCES[provider]
    delivery = receiver.delivery(kind, 1, provider=provider)
    first = await receiver.post(delivery, source)
    for again in (delivery, with_header(delivery, b"x-forwarded-for", b"1.2.3.4")):
        answer = await receiver.post(again, source)
        assert (answer.outcome, answer.body["id"]) == ("202 duplicate", first.body["id"])


async def test_of_esa_no_other_body_can_be_made(receiver: Receiver) -> None:
    """It is signed."""
    delivery = receiver.delivery("post_create", 2, provider="esa")
    changed = replace(delivery, body=delivery.body.replace(b"post_create", b"post_delete"))
    assert (await receiver.post(changed, "team")).status == 401


async def test_of_esa_it_cannot_take_the_place_of_another(receiver: Receiver) -> None:
    """Sent under the id of a delivery that is still to come, it leaves that one be."""
    captured = receiver.delivery("post_create", 3, provider="esa")
    to_come = receiver.delivery("post_update", 4, provider="esa")
    stolen_id = to_come.header(b"x-esa-delivery")
    assert stolen_id
    await receiver.post(captured, "team")
    await receiver.post(with_header(captured, b"x-esa-delivery", stolen_id), "team")
    assert (await receiver.post(to_come, "team")).outcome == "202 queued"


async def test_what_is_left_is_as_the_page_says(receiver: Receiver) -> None:
    """Misskey's secret is in the request, so that any body goes; esa's delivery id isn't signed."""
    of_misskey = receiver.delivery("follow", 5)
    forged = replace(of_misskey, body=b'{"type":"follow"}')
    of_esa = receiver.delivery("post_create", 6, provider="esa")
    await receiver.post(of_esa, "team")
    assert (await receiver.post(forged)).outcome == "202 queued"
    assert (
        await receiver.post(with_header(of_esa, b"x-esa-delivery", b"another"), "team")
    ).outcome == "202 queued"
