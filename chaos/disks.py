"""A small disk of the harness's own, which can be full."""

from __future__ import annotations

from pathlib import Path

from chaos.isolation import fill, make_room, mount, why_no_mounts


class Disk:
    """A folder on a file system of its own, where one can be mounted; else just a folder."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder, self._size_bytes = folder, size_bytes
        self.why_not = why_no_mounts()
        folder.mkdir(parents=True, exist_ok=True)
        if self.why_not is None:
            mount(folder, size_bytes)

    def fill(self) -> None:
        """Leave no room on it."""
        fill(self.folder)

    def make_room(self) -> None:
        """As it was."""
        make_room(self.folder, self._size_bytes)
