"""What `hookline check` says of the spool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookline.cli.findings import Finding, Grade
from hookline.cli.spool_findings import examine_spool
from hookline.intake import RawEvent
from hookline.settings import Spool
from hookline_receiver.spool_file import SpoolFile

EVENT = RawEvent("id", "misskey", "misskey", 1, "key", 1, b"[]", b"x" * 2000)


def examine(folder: Path) -> list[Finding]:
    """The findings about a spool in this folder."""
    return examine_spool(Spool(folder=folder))


def test_no_spool_is_doubtful() -> None:
    """It may be meant; it has to be known."""
    (finding,) = examine_spool(Spool())
    assert finding.grade is Grade.DOUBTFUL
    assert "what they give up is lost" in finding.told


def test_an_empty_spool_is_right(tmp_path: Path) -> None:
    """Whether anything was ever in it or not."""
    assert [each.grade for each in examine(tmp_path)] == [Grade.RIGHT]
    spool = SpoolFile(tmp_path, 1 << 20)
    assert spool.takes()
    spool.close()
    assert [each.told for each in examine(tmp_path)] == [f"{tmp_path} is empty"]


def test_what_waits_is_told(tmp_path: Path) -> None:
    """Also beside a receiver that is at work."""
    spool = SpoolFile(tmp_path, 1 << 20)
    spool.append([EVENT, EVENT])
    (finding,) = examine(tmp_path)
    spool.close()
    assert finding.grade is Grade.DOUBTFUL
    assert finding.told == f"2 events (4 KiB) in {tmp_path} not in Redis yet"


def test_a_folder_that_is_not_there_is_wrong(tmp_path: Path) -> None:
    """As is a file in its place."""
    (tmp_path / "file").touch()
    for name in ("nowhere", "file"):
        (finding,) = examine(tmp_path / name)
        assert finding.grade is Grade.WRONG
        assert finding.mend


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_wrong(tmp_path: Path) -> None:
    """It says for whom."""
    tmp_path.chmod(0o500)
    (finding,) = examine(tmp_path)
    assert finding.grade is Grade.WRONG
    assert f"uid {os.getuid()}" in finding.told


def test_damaged_files_are_told(tmp_path: Path) -> None:
    """The one in use, and those that were put aside."""
    (tmp_path / "spool-1.db").write_bytes(b"nothing of the kind" * 100)
    assert [each.grade for each in examine(tmp_path)] == [Grade.WRONG]
    spool = SpoolFile(tmp_path, 1 << 20)
    spool.append([EVENT])
    spool.close()
    assert [each.told.partition(" in ")[0] for each in examine(tmp_path)] == [
        "1 event (2 KiB)",
        f"{tmp_path}/spool-1.db was damaged; what could still be read of it has been taken over",
    ]
