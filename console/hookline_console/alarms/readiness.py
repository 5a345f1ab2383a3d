"""Asks receivers, at their admin port, whether they would take a delivery now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from hookline.errors import SettingsError
from hookline_console.alarms.look import Readiness
from hookline_console.alarms.wording import quoted

ANSWER_SECONDS = 4.0
"""A receiver asks Redis for its answer, and waits 2 s for that."""


def checked_addresses(addresses: Iterable[str]) -> tuple[str, ...]:
    """The settings' addresses; raises SettingsError for one that is no URL."""
    for address in addresses:
        url = URL(address)
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError(
                f"alarms.receivers: {address!r} is no address; write it as http://127.0.0.1:8081"
            )
    return tuple(addresses)


async def ask_all(named: Sequence[str], known: Sequence[str]) -> tuple[Readiness, ...]:
    """What all of these answer: those that the settings name, and others that are merely known."""
    others = [address for address in known if address not in named]
    if not named and not others:
        return ()
    async with ClientSession(timeout=ClientTimeout(total=ANSWER_SECONDS)) as session:
        return tuple(
            await asyncio.gather(
                *(_ask(session, address, is_named=True) for address in named),
                *(_ask(session, address, is_named=False) for address in others),
            )
        )


async def _ask(session: ClientSession, address: str, *, is_named: bool) -> Readiness:
    try:
        async with session.get(URL(address) / "readyz", allow_redirects=False) as response:
            answer = await response.json(content_type=None)
            status = response.status
    except (ClientError, TimeoutError, OSError, ValueError):
        return Readiness(address, False, "does not answer", is_named=is_named)
    said = answer if isinstance(answer, dict) else {}
    state = quoted(str(said.get("status", "")))
    if status == 200:
        events, size_bytes = _number(said, "spooled_events"), _number(said, "spooled_bytes")
        return Readiness(address, True, state, events, size_bytes, is_named)
    return Readiness(
        address, False, f"answers {status}: {state}" if state else f"answers {status}", is_named=is_named
    )


def _number(said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) else 0
