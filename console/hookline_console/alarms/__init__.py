"""The alarms: what is wrong is told to people, once, and that it is over."""

from __future__ import annotations

from hookline_console.alarms.watchman import Watchman, open_watchman, watch

__all__ = ["Watchman", "open_watchman", "watch"]
