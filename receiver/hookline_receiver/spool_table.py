"""What is in a file of the spool, and the steps on it.

In WAL mode with `synchronous=FULL` SQLite fsyncs its log at every commit and has a checksum on each frame of
it, so a transaction that a crash cut off is not there at all.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from hookline.intake import RawEvent
from hookline.queue import GROUP_BYTES, GROUP_EVENTS
from hookline.shares import may_take
from hookline.spool_folder import BUSY_SECONDS, TOTALS
from hookline_receiver.spool_record import DamagedError, Record, digest_of, pack, unpack

_T = TypeVar("_T")

_SCHEMA = """
BEGIN;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, size INTEGER NOT NULL,
    digest BLOB NOT NULL, event BLOB NOT NULL
);
CREATE TABLE share (source TEXT PRIMARY KEY, events INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE probe (number INTEGER NOT NULL);
INSERT INTO probe VALUES (0);
CREATE TRIGGER added AFTER INSERT ON record BEGIN
    INSERT INTO share VALUES (new.source, 1, new.size)
        ON CONFLICT (source) DO UPDATE SET events = events + 1, bytes = bytes + new.size;
END;
CREATE TRIGGER removed AFTER DELETE ON record BEGIN
    UPDATE share SET events = events - 1, bytes = bytes - old.size WHERE source = old.source;
    DELETE FROM share WHERE source = old.source AND events = 0;
END;
COMMIT;
"""
_PAGE_BYTES = 4096
_LOG_PAGES = 256
"""When its log has so many, SQLite works them into the file."""
_TOO_SHORT_IS_READ = "writable_schema = ON"
"""Without it SQLite reads nothing at all of a file whose end is missing."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def error_code(error: sqlite3.Error) -> int | None:
    """SQLite's primary result code; None where the error is Python's own."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def is_damage(error: Exception) -> bool:
    """Whether it says that the file is damaged; that a text is no UTF-8 is found out by Python alone."""
    if not isinstance(error, sqlite3.DatabaseError):
        return isinstance(error, DamagedError)
    code = error_code(error)
    return code in _DAMAGED or (code is None and isinstance(error, sqlite3.OperationalError))


def make(file: Path, damaged: Path | None) -> int:
    """Make this file in one step, with all that can still be read of a damaged one; tells how many events."""
    new = file.with_suffix(".new")
    for leftover in (new, new.with_name(f"{new.name}-journal")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # SQLite's other files get its mode
    count = 0
    with closing(_open(new)) as db:
        db.executescript(_SCHEMA)
        with transaction(db):
            for record in _readable(damaged) if damaged else ():
                insert(db, record.event, record.seq)
                count += 1
        db.execute("PRAGMA journal_mode = WAL").fetchall()
    new.rename(file)
    sync_folder(file.parent)
    return count


def sync_folder(folder: Path) -> None:
    """Put on the disk that there are the files that were made in this folder."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def connect(file: Path, max_bytes: int) -> sqlite3.Connection:
    """A connection to a file that is whole; raises DamagedError."""
    db = _open(file)
    try:
        db.execute(f"PRAGMA max_page_count = {max_bytes // _PAGE_BYTES}").fetchall()
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}").fetchall()
        db.execute(f"PRAGMA journal_size_limit = {_LOG_PAGES * _PAGE_BYTES}").fetchall()
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise DamagedError(found)
        if db.execute("SELECT COUNT(*) FROM sqlite_schema WHERE name = 'share'").fetchone() == (0,):
            raise DamagedError("the file is empty")
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; when it ends well, it is on the disk."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def insert(db: sqlite3.Connection, event: RawEvent, seq: int | None = None) -> None:
    """Put an event at the end, or where it was."""
    packed = pack(event)
    row = (seq, event.source, len(packed), digest_of(packed), packed)
    db.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?)", row)


def append(db: sqlite3.Connection, events: Sequence[RawEvent], max_bytes: int) -> list[bool]:
    """Put these at the end, as far as there is room; tells of each whether there was."""
    shares: dict[str, int] = dict(db.execute("SELECT source, bytes FROM share"))
    used = used_bytes(db)
    kept = []
    for event in events:
        size = len(event.headers) + len(event.body)
        own = shares.get(event.source, 0)
        is_kept = used + size <= max_bytes and may_take(own, used, max_bytes)
        if is_kept:
            insert(db, event)
            shares[event.source] = own + size
            used += size
        kept.append(is_kept)
    return kept


def oldest(db: sqlite3.Connection, held: Collection[str], left: Collection[int]) -> list[Record]:
    """The next group in the order, without what is of sources that are held, or left; raises DamagedError."""
    if held and set(held).issuperset(source for (source,) in db.execute("SELECT source FROM share")):
        return []
    where = f"source NOT IN ({_marks(held)}) AND seq NOT IN ({_marks(left)})"
    query = f"SELECT seq, digest, event FROM record WHERE {where} ORDER BY seq"  # noqa: S608 (marks alone)
    group: list[Record] = []
    size = 0
    with closing(db.execute(query, (*held, *left))) as rows:
        for seq, digest, packed in rows:
            event = unpack(digest, packed)
            size += len(event.headers) + len(event.body)
            if group and size > GROUP_BYTES:
                break
            group.append(Record(seq, event))
            if len(group) == GROUP_EVENTS:
                break
    return group


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def forget(db: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Remove these, and nothing that has taken their places in a file that was begun anew."""
    rows = [(record.seq, digest_of(pack(record.event))) for record in records]
    db.executemany("DELETE FROM record WHERE seq = ? AND digest = ?", rows)


def used_bytes(db: sqlite3.Connection) -> int:
    """What the records take up on the disk, which SQLite counts in pages."""
    pages, free = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    return int(pages - free) * _PAGE_BYTES


def shrink(db: sqlite3.Connection) -> None:
    """Give the disk back what an empty spool no longer needs."""
    if db.execute(TOTALS).fetchone()[0] == 0:
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def within(db: sqlite3.Connection, operation: Callable[[], _T]) -> _T:
    """The result of what is done in one transaction."""
    with transaction(db):
        return operation()


def _open(file: Path, *first: str) -> sqlite3.Connection:
    """A connection, with these pragmas before anything else."""
    uri = f"{file.as_uri()}?mode=rw"
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        # FULL is the default nearly everywhere; a distribution may build SQLite otherwise.
        for pragma in (*first, f"page_size = {_PAGE_BYTES}", "synchronous = FULL", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {pragma}").fetchall()
    except BaseException:
        db.close()
        raise
    return db


def _readable(damaged: Path) -> Iterator[Record]:
    """Every record that is whole, from the start to the damage, and from the end back to it."""
    seen = set()
    for direction in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error), closing(_open(damaged, _TOO_SHORT_IS_READ)) as db:
            for seq, digest, packed in db.execute(
                f"SELECT seq, digest, event FROM record ORDER BY seq {direction}"  # noqa: S608 (see above)
            ):
                if seq in seen:
                    break
                seen.add(seq)
                with contextlib.suppress(DamagedError):
                    yield Record(seq, unpack(digest, packed))
