"""How an action does, as its row says it."""

from __future__ import annotations

from math import inf

import pytest

from hookline.figures import ActionFigures, Figures
from hookline_console.health import actions
from hookline_console.reading import Reading


@pytest.mark.parametrize(
    ("buckets", "usual_ms"), [({5: 18, 10: 2, inf: 0}, 10), ({5: 18, 10: 0, inf: 2}, None), ({}, None)]
)
def test_the_usual_time_is_a_bound_or_is_left_out(buckets: dict[float, int], usual_ms: int | None) -> None:
    """Longer than the last bound is no time that could be shown."""
    figures = Figures(at_ms=0, actions={"a.b": ActionFigures(buckets=buckets)})
    (action,) = actions(Reading(figures, day=[], secrets={}))
    assert action.usual_ms == usual_ms
