"""Import plugins. Whatever one does at its import, the error says which plugin, where in it, and why."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hookline.errors import PluginError
from hookline_worker.places import NO_SUCH_PLACE, Found, folder_of


class _PluginFolder(str):
    """An entry of sys.path that was put there for plugins, told apart from the process's own by its class."""

    __slots__ = ()


@contextmanager
def importable(folders: Sequence[Path]) -> Iterator[None]:
    """Let plugins in these folders import one another, for good; what an earlier call loaded is forgotten.

    They come last on sys.path, so that no plugin takes the place of a library. No bytecode is written: the
    folder may be read-only, and of a file saved twice within a second the bytecode would be stale.
    """
    _forget([entry for entry in sys.path if isinstance(entry, _PluginFolder)])
    sys.path.extend(_PluginFolder(folder) for folder in dict.fromkeys(folders) if str(folder) not in sys.path)
    importlib.invalidate_caches()
    writes_none = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = writes_none


def import_plugin(found: Found) -> None:
    """Import the plugin's module. Raises PluginError for whatever happens, save KeyboardInterrupt."""
    if found.file and (taken_by := _other_module(found.module, found.file)):
        reason = f"Python already has a module of this name ({taken_by}); rename the file"
        raise PluginError(found.name, reason, file=found.origin)
    try:
        importlib.import_module(found.module)
    except KeyboardInterrupt:
        raise
    except PluginError as error:
        raise PluginError(found.name, error.reason, file=error.file, line=error.line) from error
    except BaseException as error:  # foreign code, which may do anything, sys.exit() among it
        file, line = _culprit(found, error)
        raise PluginError(found.name, _reason(found, error), file=file, line=line) from error


def _forget(folders: Sequence[str]) -> None:
    stale = {
        name
        for name, module in sys.modules.items()
        if (file := getattr(module, "__file__", None)) and str(folder_of(Path(file))) in folders
    }
    for name in list(sys.modules):
        if name.partition(".")[0] in stale:
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry not in folders]


def _other_module(name: str, file: Path) -> str | None:
    """What `import name` would import instead of this file."""
    if name in sys.builtin_module_names:
        return "built in"
    spec = importlib.util.find_spec(name)
    if spec and spec.origin and Path(spec.origin).resolve() == file.resolve():
        return None
    return str(spec.origin) if spec else "of no file"


def _culprit(found: Found, error: BaseException) -> tuple[str | None, int | None]:
    """The deepest line of the plugin's own on the way to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    own = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _is_own(found, frame.f_code.co_filename, frame.f_globals.get("__name__", ""))
    ]
    return own[-1] if own else (found.origin if found.file else None, None)


def _is_own(found: Found, filename: str, module: str) -> bool:
    file = Path(filename)
    if found.folder:  # which may have a virtual environment in it
        return (
            file.is_relative_to(found.folder) and "site-packages" not in file.relative_to(found.folder).parts
        )
    return f"{module}.".startswith(f"{found.module}.")


def _reason(found: Found, error: BaseException) -> str:
    reason = traceback.format_exception_only(error)[-1].strip()
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return reason
    if f"{found.module}.".startswith(f"{error.name}."):
        return NO_SUCH_PLACE
    where = found.folder / "requirements.txt" if found.folder else "its own package's dependencies"
    return f"{reason}; list what has it in {where}, and install that"
