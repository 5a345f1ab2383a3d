"""Finding, importing and collecting plugins, and what is said of a broken one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from structlog.testing import capture_logs

from hookline.errors import PluginError
from hookline.events import UnknownEvent
from hookline.testing import sample
from hookline_worker.plugins import Plugins, examine_plugins, load_plugins

Write = Callable[[str, str], Path]

ONE = """
from hookline import action

@action("*")
def act(event):
    ...
"""


@pytest.fixture(autouse=True)
def fresh_imports() -> Iterator[None]:
    """What a test imports is gone after it."""
    path, modules = sys.path[:], dict(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below the test's folder."""

    def write(name: str, text: str) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
        return file

    return write


def names(plugins: Plugins) -> list[str]:
    """The names of the actions."""
    return [action.name for action in plugins.actions]


def problem(*places: Path | str) -> PluginError:
    """The one problem of these places."""
    _, problems = examine_plugins([str(place) for place in places])
    (found,) = problems
    return found


def test_a_folder_gives_its_files_and_its_packages(write: Write, tmp_path: Path):
    """By name; what begins with an underscore or a dot is no plugin."""
    for name in ("b.py", "a-1.py", "_shared.py", ".hidden.py", "c/__init__.py", "data/x.py", "d/_e/f.py"):
        write(name, ONE)
    write("notes.txt", "not Python")
    loaded = load_plugins([str(tmp_path)])
    assert loaded.names == ("a-1", "b", "c")
    assert names(loaded) == ["a-1.act", "b.act", "c.act"]


def test_a_file_is_a_place(write: Write):
    """Only that file, not its neighbours."""
    write("b.py", ONE)
    assert names(load_plugins([str(write("a.py", ONE))])) == ["a.act"]


def test_a_module_is_a_place(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """By its dotted name, from where Python finds modules."""
    write("house/__init__.py", "")
    write("house/hooks.py", ONE)
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load_plugins(["house.hooks"])
    assert (loaded.names, names(loaded)) == (("house.hooks",), ["house.hooks.act"])


def test_an_installed_package_is_found_by_its_entry_point(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nothing has to be set; the plugin is called as the entry point."""
    write("blog_hooks/__init__.py", "from blog_hooks import posts")
    write("blog_hooks/posts.py", ONE)
    write("blog_hooks-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: blog-hooks\nVersion: 1.0\n")
    write("blog_hooks-1.0.dist-info/entry_points.txt", "[hookline.plugins]\nblog = blog_hooks\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = load_plugins([])
    assert (loaded.names, names(loaded)) == (("blog",), ["blog.act"])
    assert loaded.actions[0].plugin == "blog"


def test_an_entry_point_has_to_name_a_module(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An attribute is what the providers' entry points name, so it is an easy mistake."""
    write("blog-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: blog\nVersion: 1.0\n")
    write("blog-1.0.dist-info/entry_points.txt", "[hookline.plugins]\nblog = blog_hooks:act\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert problem().reason == "its entry point 'blog_hooks:act' has to name a module alone: 'blog_hooks'"


def test_plugins_share_code_and_none_of_it_counts_twice(write: Write, tmp_path: Path):
    """A plugin imports a neighbour's action and a helper file; each action is its own file's."""
    write("_shared.py", "GREETING = 'hi'")
    write("zoo.py", "import _shared\n" + ONE)
    write("app.py", "from zoo import act\nimport _shared\nalias = act")
    with capture_logs() as logs:
        assert names(load_plugins([str(tmp_path)])) == ["zoo.act"]
    assert [(log["log_level"], log["plugin"]) for log in logs] == [("warning", "app")]


def test_a_package_has_the_actions_of_its_modules(write: Write, tmp_path: Path):
    """Of those that it imports, by name or as a whole."""
    write("team/__init__.py", "from . import notes\nfrom .posts import act as other")
    write("team/notes.py", ONE.replace("act(", "note("))
    write("team/posts.py", ONE)
    write("team/unused.py", "1 / 0")
    assert sorted(names(load_plugins([str(tmp_path)]))) == ["team.act", "team.note"]


def test_nothing_is_written_beside_the_plugins(write: Write, tmp_path: Path):
    """The folder may be read-only, and stale bytecode would hide a quick second save."""
    write("a.py", ONE)
    load_plugins([str(tmp_path)])
    assert [file.name for file in tmp_path.rglob("*")] == ["a.py"]


def test_a_second_load_sees_what_was_saved_since(write: Write, tmp_path: Path):
    """Also of the files that plugins import; an earlier folder's files are forgotten."""
    write("old/a.py", ONE)
    write("old/b.py", ONE)
    load_plugins([str(tmp_path / "old")])
    write("new/_shared/__init__.py", "")
    write("new/_shared/names.py", "NAME = 'first'")
    write("new/a.py", "from _shared import names\n" + ONE.replace('"*"', '"*", name=names.NAME'))
    assert names(load_plugins([str(tmp_path / "new")])) == ["a.first"]
    write("new/_shared/names.py", "NAME = 'other'")
    assert names(load_plugins([str(tmp_path / "new")])) == ["a.other"]


def test_the_default_folder_need_not_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A worker can start before the first plugin is written, and says so."""
    monkeypatch.chdir(tmp_path)
    with capture_logs() as logs:
        assert load_plugins(["plugins"]) == Plugins()
    assert [log["folder"] for log in logs] == [str(tmp_path / "plugins")]


@pytest.mark.parametrize("place", ["hooks", "hooks/mine", "hooks.py", "./plugins", "no.such.module", ""])
def test_any_other_missing_place_is_a_problem(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It names the place and the setting."""
    monkeypatch.chdir(tmp_path)
    found = problem(place)
    assert found.plugin == place
    assert "no such folder, Python file or module; see plugins = […] under [worker]" in found.reason


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("import math\n1 / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("def f(:\n", 1, "SyntaxError: invalid syntax"),
        ("import no_such_library\n", 1, "No module named 'no_such_library'; list what has it"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("raise BaseException('odd')\n", 1, "BaseException: odd"),
        ("import json\n\njson.loads('[')\n", 3, "json.decoder.JSONDecodeError: "),
        ("from hookline import misskey\nmisskey.Mentoin\n", 2, "AttributeError: module "),
        (ONE.replace('"*"', '"note"'), 4, "@action of act: the pattern 'note' matches nothing"),
        (ONE.replace('"*"', '"*", name="n" * 98'), 4, "longer than 100 characters"),
    ],
)
def test_a_broken_plugin_is_named_with_file_line_and_reason(write: Write, text: str, line: int, reason: str):
    """The line is the plugin's own, however deep the error is."""
    file = write("broken.py", text)
    found = problem(file)
    assert (found.plugin, found.file, found.line) == ("broken", str(file), line)
    assert reason in found.reason


def test_a_missing_library_is_to_be_listed_in_the_folders_requirements(write: Write, tmp_path: Path):
    """It is from there that they are installed."""
    found = problem(write("broken.py", "import no_such_library"))
    assert str(tmp_path / "requirements.txt") in found.reason


def test_an_error_in_a_shared_file_names_that_file(write: Write):
    """The deepest line in the plugin's folder."""
    shared = write("_shared.py", "\n\nraise ValueError('here')")
    found = problem(write("broken.py", "import _shared"))
    assert (found.plugin, found.file, found.line) == ("broken", str(shared), 3)


def test_a_library_inside_the_folder_is_not_the_plugins_own(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The folder may be a project's root, with its virtual environment."""
    write(".venv/lib/site-packages/a_library.py", "1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path / ".venv/lib/site-packages"))
    file = write("broken.py", "\nimport a_library")
    found = problem(file)
    assert (found.file, found.line) == (str(file), 2)


def test_a_broken_module_is_named_with_its_own_line(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As a file is, although it is in no folder of plugins."""
    file = write("house/__init__.py", "import json\njson.loads('[')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = problem("house")
    assert (found.plugin, found.file, found.line) == ("house", str(file), 2)


def test_an_interrupt_is_not_the_plugins_fault(write: Write):
    """Ctrl-C during a slow import stops the start."""
    with pytest.raises(KeyboardInterrupt):
        load_plugins([str(write("slow.py", "raise KeyboardInterrupt"))])


@pytest.mark.parametrize("name", ["json.py", "sys.py", "aiohttp.py", "hookline.py"])
def test_a_plugin_may_not_be_called_as_a_library(write: Write, name: str):
    """One of the two would be imported in place of the other."""
    assert "Python already has a module of this name" in problem(write(name, ONE)).reason


@pytest.mark.parametrize("name", ["two words.py", "a.b.py", "感謝.py"])
def test_a_file_whose_name_cannot_name_actions_is_refused(write: Write, name: str):
    """The name is in Redis and on the command line."""
    assert "rename it" in problem(write(name, ONE)).reason


def test_two_plugins_of_one_name_are_refused(write: Write):
    """With both places."""
    first, second = write("one/a.py", ONE), write("two/a.py", ONE)
    assert problem(first, second).reason == f"two have this name: {first} and {second}; rename one"


def test_two_actions_of_one_name_are_refused(write: Write):
    """With both places, and the way out."""
    twice = ONE.replace("@action", '@action("misskey.note")\n@action')
    file = write("a.py", twice)
    found = problem(file)
    assert (found.file, found.line) == (str(file), 4)
    assert found.reason == f"{file}:4 has an action 'a.act' too; give one of them a name="


def test_a_decorator_above_action_is_refused(write: Write):
    """The worker would run the function without it."""
    text = """
    import functools
    from hookline import action

    def logged(function):
        return functools.wraps(function)(lambda event: function(event))

    @logged
    @action("*")
    def act(event): ...
    """
    assert (
        problem(write("a.py", text)).reason
        == "another decorator is above the @action of act; put @action on top"
    )


def test_every_problem_is_found_and_the_first_is_raised(write: Write, tmp_path: Path):
    """`examine_plugins` goes on, and gives what loads; `load_plugins` stops."""
    write("a.py", "1 / 0")
    write("b.py", ONE)
    write("c.py", "import no_such_library")
    plugins, problems = examine_plugins([str(tmp_path), "nowhere"])
    assert plugins.names == ("b",)
    assert [each.plugin for each in problems] == ["a", "c", "nowhere"]
    with pytest.raises(PluginError, match="plugin 'a'"):
        load_plugins([str(tmp_path), "nowhere"])


def test_matching_gives_the_actions_of_an_event_and_source(write: Write):
    """The answer is remembered by type, class and source, and is the same the second time."""
    text = """
    from hookline import action, misskey, UnknownEvent

    @action(misskey.Note)
    def typed(event): ...

    @action("misskey.*", source="here")
    def named(event): ...

    @action(UnknownEvent)
    def unknown(event): ...
    """
    plugins = load_plugins([str(write("a.py", text))])
    note = sample("misskey", "note")
    new = UnknownEvent(type="misskey.note", data={})

    def matching(event: object, source: str) -> list[str]:
        return [action.name for action in plugins.matching(event, source)]  # type: ignore[arg-type]

    for _ in range(2):
        assert matching(note, "here") == ["a.typed", "a.named"]
        assert matching(note, "there") == ["a.typed"]
        assert matching(new, "here") == ["a.named", "a.unknown"]
        assert matching(new, "there") == ["a.unknown"]


def test_what_matching_remembers_is_bounded(write: Write):
    """A sender may name any number of types."""
    plugins = load_plugins([str(write("a.py", ONE))])
    for number in range(5000):
        plugins.matching(UnknownEvent(type=f"new.type_{number}", data={}), "here")
    assert len(plugins._matching) <= 4096


def test_an_action_is_found_by_its_name(write: Write):
    """As a replay names it."""
    plugins = load_plugins([str(write("a.py", ONE))])
    assert plugins.action("a.act") is plugins.actions[0]
    assert plugins.action("a.other") is None
