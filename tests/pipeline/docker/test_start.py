"""deploy/start.py, the container's entry point, with the pip and the Python that are here."""

from __future__ import annotations

import importlib.util
import subprocess
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
START = ROOT / "deploy" / "start.py"
_spec = importlib.util.spec_from_file_location("deploy_start", START)
assert _spec
assert _spec.loader
start = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(start)


@dataclass
class Image:
    """The folders of an image: its Python with what is installed in it, the plugins, the volume."""

    python: Path
    plugins: Path
    installed: Path
    constraints: Path

    def start(self) -> subprocess.CompletedProcess[str]:
        """Install as the entry point does; it prints the folder in use."""
        folders = [str(folder) for folder in (self.plugins, self.installed, self.constraints)]
        return self.run(INSTALL, str(START.parent), *folders)

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python code in the image."""
        environment = {
            "HOME": str(self.installed),
            "PATH": "/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUSERBASE": str(self.installed / "current"),
        }
        command = [str(self.python), "-c", code, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


INSTALL = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import start
try:
    print(start.install(*map(pathlib.Path, sys.argv[2:])))
except start.RequirementsError as error:
    sys.exit(f"hookline: {error}")
"""


@pytest.fixture
def image(tmp_path: Path, make_wheel: Callable[[Path, str], None]) -> Image:
    """An environment like the image's, with the pip of this one; the plugins require `greeting`."""
    pip = importlib.util.find_spec("pip")
    if not pip or not pip.submodule_search_locations:
        pytest.skip("pip is not installed here")
    environment = tmp_path / "hookline"
    venv.create(environment, with_pip=False, system_site_packages=True)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "pip").symlink_to(pip.submodule_search_locations[0])
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    make_wheel(plugins / "greeting-1.0-py3-none-any.whl", "WORDS = 'hello'\n")
    make_wheel(plugins / "greeting-2.0-py3-none-any.whl", "WORDS = 'hello again'\n")
    (plugins / "requirements.txt").write_text("./greeting-1.0-py3-none-any.whl\n")
    constraints = tmp_path / "constraints.txt"
    constraints.touch()
    (tmp_path / "volume").mkdir()
    return Image(environment / "bin" / "python", plugins, tmp_path / "volume", constraints)


def words(image: Image) -> str:
    """What `greeting` says in a process of the image that is started now."""
    return image.run("import greeting; print(greeting.WORDS)").stdout.strip()


def test_what_the_plugins_require_is_installed_once(image: Image) -> None:
    """The second start finds it there, and runs no pip."""
    first, second = image.start(), image.start()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert words(image) == "hello"
    assert second.stderr == ""
    assert Path(second.stdout.strip()) == (image.installed / "current").resolve()


def test_changed_requirements_replace_the_others(image: Image) -> None:
    """Also where the change is in a file that requirements.txt refers to."""
    (image.plugins / "requirements.txt").write_text("-r more.txt\n")
    (image.plugins / "more.txt").write_text("./greeting-1.0-py3-none-any.whl\n")
    (image.installed / "of-long-ago").mkdir()
    before = Path(image.start().stdout.strip())
    (image.plugins / "more.txt").write_text("./greeting-2.0-py3-none-any.whl\n")
    assert image.start().returncode == 0
    assert words(image) == "hello again"
    assert before.is_dir(), "a worker that still runs may import from it"
    assert not (image.installed / "of-long-ago").exists(), "the volume would grow for ever"


def test_what_cannot_be_installed_stops_the_start(image: Image) -> None:
    """pip says why, we say which file; the set from before is left as it was."""
    image.start()
    (image.plugins / "requirements.txt").write_text("there-is-no-such-thing\n")
    failed = image.start()
    assert failed.returncode == 1
    assert "No matching distribution found for there-is-no-such-thing" in failed.stderr
    assert "plugins/requirements.txt could not be installed" in failed.stderr
    assert words(image) == "hello"
    assert list(image.installed.glob("*.new")) == []


def test_a_plugin_cannot_change_what_hookline_needs(image: Image) -> None:
    """The versions in the image are constraints to what plugins require."""
    image.constraints.write_text("greeting==2.0\n")
    failed = image.start()
    assert failed.returncode == 1
    assert "The user requested (constraint) greeting==2.0" in failed.stderr


def test_without_requirements_nothing_is_installed(image: Image) -> None:
    """And what was required until now is no longer there to be imported."""
    image.start()
    (image.plugins / "requirements.txt").unlink()
    assert image.start().stdout.strip() == "None"
    assert words(image) == ""


def test_a_volume_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The message says which, what for, and the way out."""
    (tmp_path / "requirements.txt").write_text("anything\n")
    (tmp_path / "constraints.txt").touch()
    not_a_folder = tmp_path / "constraints.txt"
    with pytest.raises(start.RequirementsError, match=r"constraints\.txt cannot be written .*volume"):
        start.install(tmp_path, not_a_folder, not_a_folder)
