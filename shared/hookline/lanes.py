"""The lanes in which jobs wait for their turn, by name. One that is paused is left alone."""

from __future__ import annotations

from hookline.queue import MIXED_LANE, REPLAY_LANE

__all__ = ["MIXED_LANE", "REPLAY_LANE", "action_lane", "paused_actions", "source_lane"]

_ACTION = "@"
"""No source's name begins so."""


def source_lane(source: str) -> str:
    """Where the events of a source wait."""
    return source


def action_lane(action: str) -> str:
    """Where events wait of which nothing is left to do but runs of this action, which is paused."""
    return _ACTION + action


def paused_actions(lanes: frozenset[str]) -> frozenset[str]:
    """The actions among these paused lanes."""
    return frozenset(lane.removeprefix(_ACTION) for lane in lanes if lane.startswith(_ACTION))
