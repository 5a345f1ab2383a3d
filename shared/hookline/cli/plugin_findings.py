"""Who else can put code where plugins are: what is written there runs, with all that the worker may do."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from hookline.cli.findings import Finding, doubtful


def examine_places(places: Sequence[str]) -> Iterator[Finding]:
    """Is any folder or file of plugins open to everybody on this machine?"""
    for path in _paths(places):
        if _is_open_to_everybody(path):
            told = f"everybody on this machine can write to {path}, and what is written there runs"
            yield doubtful("plugins", told, f"chmod o-w {path}")


def _paths(places: Sequence[str]) -> Iterator[Path]:
    for place in places:
        path = Path(place).expanduser()
        yield path
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_dir() or each.suffix == ".py")


def _is_open_to_everybody(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IWOTH)
    except OSError:  # a module's name, or a place that isn't there, which the worker itself tells of
        return False
