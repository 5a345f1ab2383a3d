"""Would the spool keep what Redis doesn't take? Its folder, its files, and what waits in them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from hookline.cli.findings import Finding, doubtful, right, wrong
from hookline.settings import Spool
from hookline.spool_folder import Spooled, spool_files, spooled_in

_KIB = 1024


def examine_spool(settings: Spool) -> list[Finding]:
    """What is right and wrong with it."""
    folder = settings.folder
    if folder is None:
        told = "off: while Redis is away or full senders are answered 503, and what they give up is lost"
        return [doubtful("spool", told, "set spool.folder to a folder on a disk of the receiver's own")]
    try:
        files = spool_files(folder)
    except OSError as error:
        return [wrong("spool", f"{folder}: {error.strerror}", _mend(error))]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        mend = "give it to the user that the receiver runs as"
        return [wrong("spool", f"{folder} cannot be written by this user (uid {os.getuid()})", mend)]
    return [_content(folder, files[-1] if files else None), *(_damaged(file) for file in files[:-1])]


def _mend(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "mount its disk, or start the receiver, which makes it"
    return "name a folder in spool.folder that the user of the receiver owns"


def _content(folder: Path, file: Path | None) -> Finding:
    try:
        spooled = spooled_in(file) if file else Spooled()
    except sqlite3.Error as error:
        mend = "the receiver begins a new one when it needs it; look at its log, and at the disk"
        return wrong("spool", f"{file} cannot be read: {error}", mend)
    if not spooled.events:
        return right("spool", f"{folder} is empty")
    told = f"{_count(spooled.events)} ({spooled.size_bytes / _KIB:.0f} KiB) in {folder} not in Redis yet"
    return doubtful("spool", told, "they go there by themselves, when Redis takes them and a receiver runs")


def _damaged(file: Path) -> Finding:
    told = f"{file} was damaged; what could still be read of it has been taken over"
    return doubtful("spool", told, "look at the disk; remove the file when you need nothing of it any more")


def _count(events: int) -> str:
    return f"{events} event{'s' if events != 1 else ''}"
