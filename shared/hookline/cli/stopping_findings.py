"""Does a worker that is told to stop let every run end? It has to wait for longer than a run may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hookline.cli.findings import Finding, doubtful
from hookline.cli.plugin_report import DeclaredAction
from hookline.settings import Worker

SPARE_SECONDS = 5.0
"""A run may still begin until the worker has noticed; one that is late is cancelled, and recorded."""


def examine_stopping(worker: Worker, actions: Sequence[DeclaredAction]) -> Iterator[Finding]:
    """Told only where a run may be cut: which actions', and what to raise."""
    patience_seconds = worker.shutdown_seconds - SPARE_SECONDS
    timeouts = {action.name: action.timeout_seconds or worker.timeout_seconds for action in actions}
    cut = {name: seconds for name, seconds in timeouts.items() if seconds > patience_seconds}
    if not cut:
        return
    names = ", ".join(f"{name} ({seconds:g} s)" for name, seconds in sorted(cut.items()))
    enough_seconds = math.ceil(max(cut.values()) + SPARE_SECONDS)
    yield doubtful(
        "worker.shutdown_seconds",
        f"{worker.shutdown_seconds:g}: a stop cuts runs of {names} and hands them over, to begin anew",
        f"raise it to {enough_seconds}, and above that the grace period of whatever stops the worker "
        "(stop_grace_period, TimeoutStopSec, terminationGracePeriodSeconds)",
    )
