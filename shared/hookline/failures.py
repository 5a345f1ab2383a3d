"""Failures that are the same but for a number or an id in their error are one group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

from pydantic_core import to_json

from hookline.ledger import Run

LABEL_CHARACTERS = 200
_VARYING = re.compile(r"\b(?=\w*\d)\w+\b")
"""Whatever has a digit in it: numbers, ids, hashes, times."""


def failure_group(action: str, error: str) -> tuple[str, str]:
    """The group of this failure, 16 hex digits, and what it is called: JSON with its action and error.

    The action is empty where the event itself could not be read.
    """
    line = error.strip().partition("\n")[0].encode("utf-8", "backslashreplace").decode()
    alike = _VARYING.sub("#", line)[:LABEL_CHARACTERS]
    group = blake2b(f"{action}\0{alike}".encode(), digest_size=8).hexdigest()
    return group, to_json({"action": action, "error": alike}).decode()


def failure_groups_of(runs: Iterable[Run]) -> dict[str, str]:
    """The groups that a dead letter with these runs is in, and what each is called."""
    return dict(failure_group(run.action, run.error or "") for run in runs if run.state == "dead")
