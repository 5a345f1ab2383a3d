"""The lanes in which jobs wait for their turn, by name. One that is paused is left alone."""

from __future__ import annotations

MIXED_LANE = "*"
"""The lane of jobs with events of several sources; other jobs are in the one called like their source."""
REPLAY_LANE = "*replay"
_ACTION = "@"
"""No source's name begins so."""


def source_lane(source: str) -> str:
    """Where the events of a source wait."""
    return source


def event_lane(source: str, *, is_replay: bool) -> str:
    """Where an event waits to be looked at again: a mass of replays should not hold up what is new."""
    return REPLAY_LANE if is_replay else source_lane(source)


def action_lane(action: str) -> str:
    """Where events wait of which nothing is left to do but runs of this action, which is paused."""
    return _ACTION + action


def paused_actions(lanes: frozenset[str]) -> frozenset[str]:
    """The actions among these paused lanes."""
    return frozenset(lane.removeprefix(_ACTION) for lane in lanes if lane.startswith(_ACTION))
