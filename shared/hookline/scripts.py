"""The atomic steps in Redis: `lua/*.lua`."""

from __future__ import annotations

from importlib.resources import files

SHARED = ("job", "tally", "index")


def script(name: str) -> str:
    """The script of this name, after what all of them share."""
    folder = files("hookline").joinpath("lua")
    return "".join(folder.joinpath(f"{each}.lua").read_text(encoding="utf-8") for each in (*SHARED, name))
