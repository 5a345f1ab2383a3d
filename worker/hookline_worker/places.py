"""Where plugins are: files in a folder, single files, modules by name, and installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import structlog

from hookline.errors import PluginError
from hookline.settings import Worker

ENTRY_POINT_GROUP = "hookline.plugins"
NO_SUCH_PLACE = "there is no such folder, Python file or module; see plugins = […] under [worker]"

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that has been found, and not yet imported."""

    name: str
    """The plugin's name: the file's without `.py`, the folder's, the module's, or the entry point's."""
    module: str
    """What is imported."""
    file: Path | None = None
    """The plugin's file, or its package's `__init__.py`; None where the import system will find it."""

    @property
    def folder(self) -> Path | None:
        """The folder that the plugin was found in, which its imports are found in too."""
        return folder_of(self.file) if self.file else None

    @property
    def origin(self) -> str:
        """Where it is from, for people."""
        return str(self.file) if self.file else f"module {self.module}"


def folder_of(file: Path) -> Path:
    """The folder that has the module of this file, be it the file itself or a package."""
    return file.parent.parent if file.name == "__init__.py" else file.parent


def find(places: Sequence[str]) -> Iterator[Found | PluginError]:
    """Every plugin of these places and of the installed packages, or what is wrong with a place or a name.

    The default folder need not be there, so that a worker starts before the first plugin is written.
    """
    for place in places:
        if (place,) == tuple(places) == Worker().plugins and not Path(place).exists():
            log.warning("no plugins: write the first one", folder=str(Path(place).absolute()))
            continue
        found = _in_place(place)
        yield from map(_checked, found) if found is not None else [_missing(place)]
    for point in entry_points(group=ENTRY_POINT_GROUP):
        yield _installed(point)


def _in_place(place: str) -> list[Found] | None:
    """The plugins of one place, or None where there is no such place."""
    if not place.strip():
        return None
    path = Path(place).expanduser().absolute()
    if path.is_dir():
        return [_file(file) for file in _plugin_files(path)]
    if path.is_file() and path.suffix == ".py":
        return [_file(path)]
    if _MODULE.fullmatch(place) and not place.endswith(".py"):
        return [Found(place, place)]
    return None


def _plugin_files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        package = entry / "__init__.py"
        if entry.name.startswith(("_", ".")):
            continue
        if entry.suffix == ".py" and entry.is_file():
            yield entry
        elif package.is_file():
            yield package


def _file(file: Path) -> Found:
    name = file.parent.name if file.name == "__init__.py" else file.stem
    return Found(name, name, file)


def _checked(found: Found) -> Found | PluginError:
    if not _NAME.fullmatch(found.name) or (found.file and "." in found.name):
        reason = "this cannot name a plugin; rename it to something of A-Z a-z 0-9 '_' and '-'"
        return PluginError(found.name, reason, file=found.origin)
    return found


def _missing(place: str) -> PluginError:
    return PluginError(place, NO_SUCH_PLACE)


def _installed(point: EntryPoint) -> Found | PluginError:
    if point.attr:
        reason = f"its entry point {point.value!r} has to name a module alone: {point.module!r}"
        return PluginError(point.name, reason)
    return _checked(Found(point.name, point.module))
