"""The spool on disk: in order, whole or not at all, bounded, shared by processes, never read when torn."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.intake import RawEvent
from hookline.queue import GROUP_BYTES, GROUP_EVENTS
from hookline.spool_folder import Spooled, spool_files
from hookline_receiver.spool_file import MARGIN_BYTES, SpoolFile
from hookline_receiver.spool_record import DamagedError, Record, digest_of, pack, unpack

MIB = 1024 * 1024
PRAGMAS = ("journal_mode", "synchronous")
Make = Callable[..., SpoolFile]


def event(number: int, *, source: str = "misskey", size: int = 100) -> RawEvent:
    """One whose body tells whose it is, all along."""
    body = (f"{number}|".encode() * size)[:size]
    return RawEvent(
        f"{number:024x}", source, "misskey", number, f"key-{number}", 60_000, b'[["a","\xff"]]', body
    )


def numbers(records: list[Record]) -> list[int]:
    """Which ones they are; each must be as it was written."""
    for record in records:
        again = event(record.event.received_at_ms, source=record.event.source, size=len(record.event.body))
        assert record.event == again
    return [record.event.received_at_ms for record in records]


def all_numbers(spool: SpoolFile) -> list[int]:
    """All that is in it, which empties it."""
    found: list[int] = []
    while records := spool.oldest():
        found += numbers(records)
        spool.forget(records)
    return found


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes spools in one folder, or in another; they are closed with the test."""
    made: list[SpoolFile] = []

    def spool(
        folder: Path = tmp_path / "spool", max_bytes: int = 64 * MIB, margin_bytes: int = MARGIN_BYTES
    ) -> SpoolFile:
        made.append(SpoolFile(folder, max_bytes, margin_bytes=margin_bytes))
        return made[-1]

    yield spool
    for each in made:
        each.close()


def test_what_was_written_is_read_in_order_after_a_new_start(make: Make) -> None:
    """Byte by byte, and the totals with it."""
    first = make()
    assert first.append([event(1), event(2, source="team")]) == [True, True]
    assert first.append([event(3)]) == [True]
    first.close()
    again = make()
    events, size_bytes = again.totals()
    assert (events, size_bytes > 300) == (3, True)
    assert numbers(again.oldest()) == [1, 2, 3]
    again.forget(again.oldest()[:2])
    assert numbers(again.oldest()) == [3]
    again.forget(again.oldest())
    assert again.oldest() == []
    assert again.totals() == Spooled(0, 0)


EVENTS = st.builds(
    RawEvent,
    *[st.text()] * 3,
    st.integers(),
    st.text(),
    st.integers(),
    *[st.binary()] * 2,
    trace=st.just("") | st.text(),
)


@given(EVENTS)
def test_any_event_comes_back_as_it_was(given_event: RawEvent) -> None:
    """Whatever is in its names and bytes."""
    packed = pack(given_event)
    assert unpack(digest_of(packed), packed) == given_event


def test_a_record_from_before_there_were_traces_is_read_and_removed() -> None:
    """Its bytes are what they were, by which it is found again."""
    packed = b'["id", "team", "esa", 1, "key", 2, 4]\n[[]]body'
    read = unpack(digest_of(packed), packed)
    assert read == RawEvent("id", "team", "esa", 1, "key", 2, b"[[]]", b"body")
    assert pack(read) == packed


@given(st.binary(), st.integers(0, 300), st.binary(min_size=1, max_size=4))
def test_bytes_that_are_not_an_event_are_never_taken_for_one(body: bytes, at: int, other: bytes) -> None:
    """Neither cut off nor changed."""
    packed = pack(event(1)._replace(body=body))
    changed = packed[:at] + other + packed[at + len(other) :]
    for wrong in {packed[:at], changed} - {packed}:
        with pytest.raises(DamagedError):
            unpack(digest_of(packed), wrong)


def test_a_group_has_as_much_as_a_commit_takes(make: Make) -> None:
    """64 events, or 4 MiB, or a single event however large."""
    spool = make()
    spool.append([event(number) for number in range(GROUP_EVENTS + 1)])
    assert len(spool.oldest()) == GROUP_EVENTS
    spool.forget(spool.oldest())
    spool.append([event(number, size=GROUP_BYTES // 3) for number in range(1, 5)])
    spool.append([event(5, size=GROUP_BYTES + 1)])
    sizes = []
    while records := spool.oldest():
        sizes.append(len(records))
        spool.forget(records)
    assert sizes == [3, 2, 1]


def test_a_source_that_is_held_is_passed_over(make: Make) -> None:
    """The others don't wait for it."""
    spool = make()
    spool.append([event(number, source="ab"[number % 2]) for number in range(6)])
    assert numbers(spool.oldest(frozenset("a"))) == [1, 3, 5]
    assert spool.oldest(frozenset("ab")) == []


def test_the_folder_is_private(make: Make, tmp_path: Path) -> None:
    """Also one that was made for everybody; what is in it is as private as the deliveries."""
    (tmp_path / "spool").mkdir(mode=0o755)
    make().append([event(1)])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "spool").iterdir()}
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert {name: mode for name, mode in modes.items() if mode != 0o600} == {}
    assert {"spool-1.db", "spool-1.db-wal"} <= set(modes)


def test_every_append_is_fsynced(make: Make, tmp_path: Path) -> None:
    """SQLite's own setting is asked, on the connection that writes."""
    spool = make()
    spool.append([event(1)])
    asked = [spool._do(lambda db, name=name: db.execute(f"PRAGMA {name}").fetchone()[0]) for name in PRAGMAS]
    assert dict(zip(PRAGMAS, asked, strict=True)) == {"journal_mode": "wal", "synchronous": 2}


def test_it_takes_no_more_than_it_may(make: Make, tmp_path: Path) -> None:
    """The file on the disk, not only what is in it; and it takes again as soon as there is room."""
    spool = make(max_bytes=2 * MIB)
    number = 0
    while all(spool.append([event(number + each, source=f"s{each}", size=3000) for each in range(7)])):
        number += 7
    while any(spool.append([event(10_000 + each, source=f"s{each}", size=3000) for each in range(7)])):
        pass
    spool.close()  # which brings all that is in the log into the file
    (file,) = spool_files(tmp_path / "spool")
    assert 1.5 * MIB < file.stat().st_size <= 2 * MIB
    spool.forget(spool.oldest())
    assert spool.append([event(1)]) == [True]


def test_one_source_leaves_the_others_their_share(make: Make) -> None:
    """It takes three quarters, and those who come later still find some."""
    spool = make(max_bytes=2 * MIB)
    while spool.append([event(1, source="flood", size=2500)]) == [True]:
        pass
    assert spool.append([event(2, source="flood"), event(3, source="quiet")]) == [False, True]
    flooded = spool._do(lambda db: db.execute("SELECT bytes FROM share WHERE source = 'flood'").fetchone()[0])
    assert 0.3 < flooded / (2 * MIB) < 0.76


def test_an_empty_spool_gives_the_disk_back(make: Make, tmp_path: Path) -> None:
    """The log included."""
    spool = make()
    spool.append([event(number, size=100_000) for number in range(100)])
    spool.shrink()
    assert len(all_numbers(spool)) == 100
    spool.shrink()
    assert sum(file.stat().st_size for file in (tmp_path / "spool").iterdir()) < 200_000
    assert spool.append([event(1)]) == [True]


def test_only_one_may_drain(make: Make) -> None:
    """The next one, as soon as the first lets go or is gone."""
    first, second = make(), make()
    first.totals()
    assert first.lock_drain()
    assert first.lock_drain()
    assert not second.lock_drain()
    first.unlock_drain()
    assert second.lock_drain()
    second.close()
    assert first.lock_drain()


WRITER = """
import sys
from pathlib import Path
from hookline.intake import RawEvent
from hookline_receiver.spool_file import SpoolFile
spool = SpoolFile(Path(sys.argv[1]), 64 * 2**20)
for number in range(200):
    event = RawEvent(f"{sys.argv[2]}-{number}", sys.argv[2], "misskey", 1, "k", 1, b"[]", b"x" * 5000)
    assert spool.append([event]) == [True]
    if number == 100:
        print("halfway", flush=True)
"""


def run_writer(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """A process that writes 200 events, one after the other, and says so after half of them."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name], stdout=subprocess.PIPE)


def test_processes_share_it(make: Make, tmp_path: Path) -> None:
    """Three begin it at the same time and write at the same time, and every event is there once."""
    folder = tmp_path / "spool"
    writers = [run_writer(folder, name) for name in "abc"]
    for writer in writers:
        with writer:
            writer.communicate()
        assert writer.returncode == 0
    spool, found = make(), []
    while records := spool.oldest():
        found += [record.event.id for record in records]
        spool.forget(records)
    assert sorted(found) == sorted(f"{name}-{number}" for name in "abc" for number in range(200))
    assert [file.name for file in spool_files(folder)] == ["spool-1.db"]


def test_what_a_killed_process_had_written_is_there(make: Make, tmp_path: Path) -> None:
    """Up to some event, and every one before it."""
    with run_writer(tmp_path / "spool", "a") as writer:
        assert writer.stdout
        writer.stdout.readline()
        writer.kill()
    spool, found = make(), []
    while records := spool.oldest():
        found += [record.event.id for record in records]
        spool.forget(records)
    assert len(found) > 100
    assert found == [f"a-{number}" for number in range(len(found))]


def copy_of(folder: Path, name: str) -> Path:
    """The files as a crash would leave them."""
    target = folder.parent / name
    target.mkdir()
    for file in folder.glob("spool-1.db*"):
        if not file.name.endswith("-shm"):  # is in memory, and made anew
            shutil.copy(file, target)
    return target


@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_is_cut_anywhere_has_whole_transactions_alone(
    make: Make, tmp_path: Path, seed: int
) -> None:
    """As a crash or a full disk in the middle of a write leaves it: the first so many, each as it was."""
    spool = make()
    for number in range(0, 20, 2):
        spool.append([event(number, size=3000), event(number + 1, size=50)])
    rng = random.Random(seed)
    size = (tmp_path / "spool" / "spool-1.db-wal").stat().st_size
    for attempt in range(25):
        folder = copy_of(tmp_path / "spool", f"cut-{attempt}")
        os.truncate(folder / "spool-1.db-wal", rng.randrange(size))
        torn = make(folder)
        found = all_numbers(torn)
        assert found == list(range(len(found)))
        assert len(found) % 2 == 0
        assert torn.append([event(1)]) == [True]
        torn.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_file_that_is_cut_or_changed_anywhere_is_kept_and_another_begun(
    make: Make, tmp_path: Path, seed: int
) -> None:
    """What can still be read is taken over, nothing else is ever read, and new events are taken."""
    spool = make()
    for number in range(40):
        spool.append([event(number, size=3000)])
    spool.close()
    rng = random.Random(seed)
    size = (tmp_path / "spool" / "spool-1.db").stat().st_size
    saved = []
    for attempt in range(20):
        folder = copy_of(tmp_path / "spool", f"damaged-{attempt}")
        file, at = folder / "spool-1.db", rng.randrange(size)
        if attempt % 2:
            os.truncate(file, at)
        else:
            with file.open("r+b") as opened:
                opened.seek(at)
                opened.write(rng.randbytes(500))
        again = make(folder)
        assert again.append([event(99)]) == [True]
        found = all_numbers(again)
        assert found == sorted(set(found))
        assert set(found) <= {*range(40), 99}
        assert 99 in found
        saved.append(len(found) - 1)
        names = [each.name for each in spool_files(folder)]
        assert names in (["spool-1.db"], ["spool-1.db", "spool-2.db"])
        if len(names) == 1:  # it hit what no page uses
            assert len(found) == 41
        again.close()
    assert max(saved) > 20


def test_of_a_file_whose_end_is_missing_the_start_is_taken_over(make: Make, tmp_path: Path) -> None:
    """As a broken file system leaves it."""
    spool = make()
    for number in range(40):
        spool.append([event(number, size=3000)])
    spool.close()
    (file,) = spool_files(tmp_path / "spool")
    os.truncate(file, file.stat().st_size * 3 // 4)
    found = all_numbers(make())
    assert len(found) > 20
    assert found == list(range(len(found)))


def test_a_record_that_is_not_what_was_written_is_left_behind(make: Make, tmp_path: Path) -> None:
    """SQLite doesn't notice a changed byte in the middle of a value; the others are taken over."""
    spool = make()
    spool.append([event(number) for number in range(5)])
    spool.close()
    with closing(sqlite3.connect(tmp_path / "spool" / "spool-1.db")) as db:
        db.execute("UPDATE record SET event = replace(event, '2|2', '2|3') WHERE seq = 3")
        db.commit()
    assert all_numbers(make()) == [0, 1, 3, 4]
    assert [file.name for file in spool_files(tmp_path / "spool")] == ["spool-1.db", "spool-2.db"]


def test_others_go_on_with_the_new_file(make: Make, tmp_path: Path) -> None:
    """A process that still has the damaged one open writes nothing more into it."""
    first, second = make(), make()
    first.append([event(1)])
    second.append([event(2)])
    shutil.copy(tmp_path / "spool" / "spool-1.db", tmp_path / "spool" / "spool-2.db")
    first._do(lambda db: db.execute("DELETE FROM record").fetchall())
    second.append([event(3)])
    assert all_numbers(first) == [3]


def test_a_spool_whose_folder_was_removed_begins_again(make: Make, tmp_path: Path) -> None:
    """It would write into files that nobody finds any more."""
    spool = make()
    spool.append([event(1)])
    shutil.rmtree(tmp_path / "spool")
    assert spool.append([event(2)]) == [True]
    spool.close()
    assert all_numbers(make()) == [2]


def test_a_new_file_waits_until_nobody_works_on_the_old_one(make: Make, tmp_path: Path) -> None:
    """Or what is just being written there would be lost."""
    spool = make()
    spool.append([event(1)])
    with (tmp_path / "spool" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert spool.append([event(2)]) == [True]
        with (tmp_path / "spool" / "lock").open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def leave_free(disk: Path, free_bytes: int) -> Path:
    """Fill the disk with something else, up to so many bytes; gives the file."""
    filler, space = disk / "filler", os.statvfs(disk)
    with filler.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, max(space.f_bavail * space.f_frsize - free_bytes, 1))
    return filler


def fill(spool: SpoolFile) -> list[int]:
    """Write until the disk is full; the numbers of those that were kept."""
    kept: list[int] = []
    with contextlib.suppress(sqlite3.Error, OSError):
        while True:
            assert spool.append([event(len(kept), size=3000)]) == [True]
            kept.append(len(kept))
    return kept


def test_a_disk_that_is_full_to_the_last_byte_is_an_error_and_what_was_there_stays(
    make: Make, small_disk: Path
) -> None:
    """And when there is room again, it goes on."""
    leave_free(small_disk, MIB)
    spool = make(small_disk / "spool", margin_bytes=0)
    kept = fill(spool)
    assert 20 < len(kept) < 300
    with pytest.raises((sqlite3.Error, OSError)):
        spool.append([event(99_999, size=900_000)])
    (small_disk / "filler").unlink()
    assert spool.append([event(20_000)]) == [True]
    spool.close()
    assert all_numbers(make(small_disk / "spool")) == [*kept, 20_000]


def test_a_full_disk_leaves_room_to_remove_what_is_there(make: Make, small_disk: Path) -> None:
    """Or nothing would ever leave it."""
    leave_free(small_disk, 10 * MIB)
    spool = make(small_disk / "spool")
    kept = fill(spool)
    assert 100 < len(kept) < 2000
    with pytest.raises(OSError, match="No space left"):
        spool.takes()
    assert all_numbers(spool) == kept
    spool.shrink()
    assert spool.append([event(1)]) == [True]


def test_what_took_the_place_of_another_is_not_removed_for_it(tmp_path: Path) -> None:
    """The file was begun anew between reading and removing, and numbers its records from 1 again."""
    draining, keeping = SpoolFile(tmp_path, 64 * MIB), SpoolFile(tmp_path, 64 * MIB)
    draining.append([event(1)])
    records = draining.oldest()
    for file in tmp_path.glob("spool-*"):
        file.unlink()
    new = event(2)
    keeping.append([new])
    draining.forget(records)
    assert [record.event for record in keeping.oldest()] == [new]
    for each in (draining, keeping):
        each.close()
