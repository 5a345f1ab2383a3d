"""How many deliveries went through a spool, for the report alone: nothing is judged by it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_EVER_WRITTEN = "SELECT seq FROM sqlite_sequence WHERE name = 'record'"


def count_spooled(folder: Path) -> int:
    """How many records were ever written to the spool in this folder."""
    return sum(_count(file) for file in folder.glob("spool-*.db"))


def _count(file: Path) -> int:
    try:
        with closing(sqlite3.connect(file)) as db:
            row = db.execute(_EVER_WRITTEN).fetchone()
    except sqlite3.Error:
        return 0
    return int(row[0]) if row else 0
