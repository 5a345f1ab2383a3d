"""The folder of the spool, as receivers and `hookline check` both see it.

`spool-<n>.db` is SQLite. The one with the highest number is in use; the others were found damaged, and
are kept for a person to look at.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

BUSY_SECONDS = 2.0
"""How long another process may be writing to the file before this one gives up."""
TOTALS = "SELECT COALESCE(SUM(events), 0), COALESCE(SUM(bytes), 0) FROM share"
_NAME = re.compile(r"spool-([0-9]{1,9})\.db")


class Spooled(NamedTuple):
    """What waits in a spool."""

    events: int = 0
    size_bytes: int = 0


def spool_file(folder: Path, number: int) -> Path:
    """The file of this number."""
    return folder / f"spool-{number}.db"


def number_of(file: Path) -> int:
    """The number in a file's name; 0 for a name that is none of the spool's."""
    found = _NAME.fullmatch(file.name)
    return int(found[1]) if found else 0


def spool_files(folder: Path) -> list[Path]:
    """The files, the one in use last; raises OSError where there is no such folder."""
    return sorted((file for file in folder.iterdir() if number_of(file)), key=number_of)


def spooled_in(file: Path) -> Spooled:
    """How much waits in this file; raises sqlite3.Error."""
    uri = f"{file.absolute().as_uri()}?mode=rw"  # a reader, too, has to write where others share the file
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as db:
        return Spooled(*db.execute(TOTALS).fetchone())
