"""The spool's folder: one file in use, shared by any number of processes, of which one at a time drains.

Whoever works on the file holds `lock` together with the others, and whoever puts a new one in the place of
a damaged one holds it alone. The kernel frees the locks of a process that is killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from hookline.intake import RawEvent
from hookline.spool_folder import TOTALS, Spooled, number_of, spool_file, spool_files
from hookline_receiver import spool_table as table
from hookline_receiver.spool_record import DamagedError, Record

_T = TypeVar("_T")

_LOCK, _DRAIN_LOCK = "lock", "drain.lock"
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
"""After these the connection is as good as before."""
MARGIN_BYTES = 16 * 1024 * 1024
"""What is left free, or a quarter of a small disk: to remove records SQLite has to write, too."""

log = structlog.get_logger(__name__)


class SpoolFile:
    """For one thread. Every method raises OSError or sqlite3.Error where the disk doesn't do as it should."""

    def __init__(self, folder: Path, max_bytes: int, *, margin_bytes: int = MARGIN_BYTES) -> None:
        """No more is written when the disk has less than the margin left."""
        self.folder = folder.absolute()
        self._max_bytes = max_bytes
        self._margin_bytes = margin_bytes
        self._db: sqlite3.Connection | None = None
        self._file: tuple[Path, int] | None = None
        self._drain_lock: int | None = None

    def append(self, events: Sequence[RawEvent]) -> list[bool]:
        """Write these in one transaction, on the disk when this returns; tells of each if there was room."""
        self._need_disk()
        return self._do(lambda db: table.within(db, lambda: table.append(db, events, self._max_bytes)))

    def oldest(self, held: Collection[str] = (), left: Collection[int] = ()) -> list[Record]:
        """The next group, without what is of sources that are held, or left."""
        return self._do(lambda db: table.oldest(db, held, left))

    def forget(self, records: Sequence[Record]) -> None:
        """Remove these."""
        self._do(lambda db: table.within(db, lambda: table.forget(db, records)))

    def totals(self) -> Spooled:
        """How much waits."""
        return self._do(lambda db: Spooled(*db.execute(TOTALS).fetchone()))

    def takes(self) -> bool:
        """Whether a write reaches the disk, and there is room for more."""
        self._need_disk()
        update = "UPDATE probe SET number = number + 1"
        self._do(lambda db: table.within(db, lambda: db.execute(update)))
        return self._do(lambda db: table.used_bytes(db) < self._max_bytes)

    def shrink(self) -> None:
        """Give the disk back what an empty spool no longer needs, unless another process is busy with it."""
        with contextlib.suppress(sqlite3.OperationalError):
            self._do(table.shrink)

    def lock_drain(self) -> bool:
        """Whether this process may drain, alone among all; until `unlock_drain`, or its death."""
        if self._drain_lock is None:
            lock = _open_lock(self.folder / _DRAIN_LOCK)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._drain_lock = lock
        return True

    def unlock_drain(self) -> None:
        """Let another process drain."""
        if self._drain_lock is not None:
            os.close(self._drain_lock)
            self._drain_lock = None

    def close(self) -> None:
        """Without effect where nothing is open."""
        self.unlock_drain()
        self._disconnect()

    def _do(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        """The result of an operation on the file in use, which is made, or replaced, where need be."""
        try:
            return self._try(operation)
        except (DamagedError, sqlite3.Error) as error:
            if not table.is_damage(error):
                raise
            self._begin_anew(error)
        try:
            return self._try(operation)
        except DamagedError as error:
            raise sqlite3.DatabaseError(str(error)) from error

    def _try(self, operation: Callable[[sqlite3.Connection], _T]) -> _T:
        self._make_folder()
        with _locked(self.folder, fcntl.LOCK_SH):
            try:
                return operation(self._current())
            except sqlite3.Error as error:
                if table.error_code(error) not in _PASSING and not table.is_damage(error):
                    self._disconnect()
                raise

    def _need_disk(self) -> None:
        """Raise OSError where so little is left that removing what is there could fail."""
        self._make_folder()
        disk = os.statvfs(self.folder)
        if disk.f_bavail < min(self._margin_bytes // disk.f_frsize, disk.f_blocks // 4):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))

    def _make_folder(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            table.sync_folder(self.folder.parent)
        if self._db is None:
            with contextlib.suppress(
                PermissionError
            ):  # it is somebody else's; the files are ours alone anyway
                self.folder.chmod(0o700)

    def _current(self) -> sqlite3.Connection:
        """A connection to the file in use; another process, or a person, may have put it there just now."""
        files = spool_files(self.folder)
        file = (files[-1], files[-1].stat().st_ino) if files else None
        if file != self._file:
            self._disconnect()
        if file is None:
            raise DamagedError("there is no file yet")
        if self._db is None:
            self._file = file
            self._db = table.connect(file[0], self._max_bytes)
        return self._db

    def _begin_anew(self, error: Exception) -> None:
        """Begin the next file, with what can still be read of the damaged one; that one stays as it is."""
        damaged = self._file[0] if self._file else None
        self._disconnect()
        with _locked(self.folder, fcntl.LOCK_EX):
            files = spool_files(self.folder)
            if files[-1:] != ([damaged] if damaged else []):
                return  # another process was faster
            number = number_of(damaged) if damaged else 0
            saved = table.make(spool_file(self.folder, number + 1), damaged)
        if damaged:
            log.error(
                "the file of the spool is damaged; it is kept, and a new one begun",
                file=str(damaged),
                error=str(error),
                saved_events=saved,
            )

    def _disconnect(self) -> None:
        db, self._db, self._file = self._db, None, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                db.close()


@contextlib.contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    lock = _open_lock(folder / _LOCK)
    try:
        fcntl.flock(lock, kind)
        yield
    finally:
        os.close(lock)


def _open_lock(file: Path) -> int:
    return os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
