"""A wall clock that can be stepped for some processes alone: libfaketime, preloaded into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_MENDED = Path(__file__).parent / "stepped"
_PLACES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/*.so.1",
)


class SteppedClock:
    """The clock of the processes that are started with `environment`; monotonic clocks are left alone."""

    CACHE_SECONDS = 1
    """How long a process may take to notice a step."""

    def __init__(self, folder: Path) -> None:
        self._library = _find()
        self._file = folder / "clock"
        self.step(0)

    @property
    def is_there(self) -> bool:
        """Whether clocks can be stepped here."""
        return self._library is not None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process needs to live by this clock; nothing where it can't be had."""
        if self._library is None:
            return {}
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_MENDED), os.environ.get("PYTHONPATH")))),
            "FAKETIME_CACHE_DURATION": str(self.CACHE_SECONDS),
        }

    def step(self, offset_seconds: int) -> None:
        """Set the clock to so many seconds off the machine's."""
        self._file.write_text(f"{offset_seconds:+d}\n", encoding="ascii")


def _find() -> Path | None:
    return next((file for pattern in _PLACES for file in sorted(Path("/").glob(pattern[1:]))), None)
