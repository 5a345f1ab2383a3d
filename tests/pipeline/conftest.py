"""A whole Hookline for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.running import Pipeline, running_pipeline

__all__ = ["Pipeline"]


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """A pipeline whose processes end with the test."""
    with running_pipeline() as made:
        yield made
