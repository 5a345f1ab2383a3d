"""What `hookline check` says of the traces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hookline.cli.check import examine_tracing
from hookline.cli.findings import Grade
from hookline.settings import Tracing

if TYPE_CHECKING:
    import pytest

ENDPOINT = "http://user:hidden@127.0.0.1:4318/v1/traces"


def test_nothing_is_told_where_none_are_made() -> None:
    """Most do without."""
    assert list(examine_tracing(Tracing())) == []


def test_that_they_are_made_is_told_without_the_address() -> None:
    """It may hold a password."""
    (finding,) = examine_tracing(Tracing(endpoint=ENDPOINT, ratio=0.25))
    assert (finding.grade, finding.told) == (Grade.RIGHT, "of 25% of the deliveries, traces are sent")


def test_without_opentelemetry_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the way out is told; receiver and worker would not start."""
    monkeypatch.delitem(sys.modules, "hookline.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    (finding,) = examine_tracing(Tracing(endpoint=ENDPOINT))
    assert finding.grade is Grade.WRONG
    assert "pip install 'hookline[tracing]'" in finding.told
