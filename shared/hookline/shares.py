"""How several share what there is of something: each may have up to three times what is left.

One alone gets three quarters, and there is always something left for the next. This is the dynamic threshold
of switches that share a buffer (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998).
"""

from __future__ import annotations

TIMES_WHAT_IS_LEFT = 3


def may_take(own: float, used: float, most: float) -> bool:
    """Whether one who has `own` may have more, where all together have `used` of `most`."""
    return own < TIMES_WHAT_IS_LEFT * (most - used)
