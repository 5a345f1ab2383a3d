"""All numbers about a Hookline, read from Redis, and so right whatever processes made them.

`hookline stats`, /metrics, the console and the alarms show these and no others, so that they agree.
"""

from __future__ import annotations

from hookline.figures.kinds import (
    COMMIT_BOUNDS_MS,
    GROUP_BOUNDS,
    RUN_BOUNDS_MS,
    ActionFigures,
    CommitFigures,
    Figures,
    GroupFigures,
    Minute,
    ReceiverFigures,
    RedisFigures,
    Rejection,
    SourceFigures,
    WorkerFigures,
)
from hookline.figures.reading import read_figures
from hookline.figures.records import MINUTE_MS, read_minutes, read_rejections, read_secret_ages

__all__ = [
    "COMMIT_BOUNDS_MS",
    "GROUP_BOUNDS",
    "MINUTE_MS",
    "RUN_BOUNDS_MS",
    "ActionFigures",
    "CommitFigures",
    "Figures",
    "GroupFigures",
    "Minute",
    "ReceiverFigures",
    "RedisFigures",
    "Rejection",
    "SourceFigures",
    "WorkerFigures",
    "read_figures",
    "read_minutes",
    "read_rejections",
    "read_secret_ages",
]
