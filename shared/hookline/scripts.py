"""The atomic steps in Redis: `lua/*.lua`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

SHARED = ("job", "tally", "index")
SHARED_BY_SOME = {"replay": ("again",), "feed": ("again",)}


@cache
def script(name: str) -> str:
    """The script of this name, after what it shares with others."""
    folder = files("hookline").joinpath("lua")
    names = (*SHARED, *SHARED_BY_SOME.get(name, ()), name)
    return "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in names)
