"""The example plugins, and the examples of docs/plugins.md."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import hookline
from hookline import esa, misskey
from hookline.context import Context
from hookline.providers import providers
from hookline.senders import sender_types
from hookline.testing import run_action, sample
from hookline_worker.plugins import Plugins, load_plugins

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/plugins.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def plugins() -> Plugins:
    """The example plugins."""
    return load_plugins([str(PROJECT / "examples/plugins")])


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the examples write, if the settings don't say."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def module(plugins: Plugins, name: str) -> ModuleType:
    """The module of an example."""
    assert name in plugins.names
    return __import__(name)


def test_every_type_ends_as_the_example_says(plugins: Plugins):
    """All done, but for the two that fail on purpose."""
    ends: dict[str, str] = {}
    for provider in providers():
        for kind in sender_types(provider):
            event = sample(provider, kind)
            for action in plugins.matching(event, "any"):
                last = action.attempts or 8
                ends[f"{event.type} {action.name}"] = run_action(action.function, event, attempt=last).state
    assert {run for run, state in ends.items() if state != "done"} == {
        "esa.post_stop_sharing rough.unpublish",
        "misskey.reaction rough.count",
    }
    assert {run.partition(" ")[2] for run in ends} == {action.name for action in plugins.actions}


def test_the_flaky_example_succeeds_the_third_time(plugins: Plugins):
    """With the delay that it asks for."""
    flaky, comment = module(plugins, "rough").index, sample("esa", "comment_create")
    outcomes = [run_action(flaky, comment, attempt=attempt) for attempt in (1, 2, 3)]
    assert [outcome.state for outcome in outcomes] == ["retrying", "retrying", "done"]
    assert outcomes[0].retry_after_seconds == 0.5


def test_the_journal_has_a_line_for_each_event(plugins: Plugins, in_a_folder: Path):
    """In the file that its settings name."""
    file = in_a_folder / "deep" / "events.jsonl"
    for event in (sample("misskey", "note"), sample("esa", "post_create")):
        run_action(module(plugins, "journal").append, event, settings={"file": str(file)})
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["type"] for line in lines] == ["misskey.note", "esa.post_create"]


def post(name: str, body: str = "text", number: int | None = 7) -> esa.PostUpdate:
    """An update of a post."""
    return esa.PostUpdate(post=esa.Post(number=number, name=name, body_md=body), team=esa.Team(name="docs"))


def test_the_mirror_follows_a_post(plugins: Plugins, in_a_folder: Path):
    """Twice is as once; a move leaves nothing behind; a deleted post is gone."""
    mirror, settings = module(plugins, "mirror"), {"folder": str(in_a_folder)}
    for update in (post("a/b/one"), post("c/one", "new\r\ntext"), post("c/one", "new\r\ntext")):
        assert run_action(mirror.write, update, settings=settings).state == "done"
    (file,) = in_a_folder.rglob("*.*")
    assert file == in_a_folder / "c" / "7.md"
    assert file.read_text(encoding="utf-8") == "# one\n\n<https://docs.esa.io/posts/7>\n\nnew\ntext"
    gone = esa.PostDelete(post=esa.PostSummary(number=7))
    assert run_action(mirror.remove, gone, settings=settings).state == "done"
    assert list(in_a_folder.rglob("*.*")) == []


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/x", "a/./../../x", "..\\..\\x", "\0/x", "...../ ./x"])
def test_the_mirror_stays_in_its_folder(plugins: Plugins, in_a_folder: Path, name: str):
    """Whatever the category says: everybody in the team can write one."""
    folder = in_a_folder / "posts"
    run_action(module(plugins, "mirror").write, post(name), settings={"folder": str(folder)})
    (file,) = in_a_folder.rglob("*.md")
    assert file.resolve().is_relative_to(folder)


def test_the_moderators_see_what_is_open(plugins: Plugins, in_a_folder: Path):
    """A file while a report is open, none afterwards, and none outside the folder."""
    moderation, settings = module(plugins, "moderation"), {"folder": str(in_a_folder / "reports")}
    report = misskey.Report(id="r1", comment="spam", target_user_id="u1")
    run_action(moderation.open_report, misskey.AbuseReport(report=report), settings=settings)
    assert "user u1" in (in_a_folder / "reports/r1.txt").read_text(encoding="utf-8")
    run_action(moderation.close_report, misskey.AbuseReportResolved(report=report), settings=settings)
    assert list((in_a_folder / "reports").iterdir()) == []
    escaping = misskey.AbuseReport(report=misskey.Report(id="../r1"))
    assert run_action(moderation.open_report, escaping, settings=settings).state == "dead"


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_pages_python_works(number: int, tmp_path: Path):
    """What is a plugin on the page loads as one; a test is at least Python."""
    code = PYTHON[number]
    ast.parse(code)
    if "@action" in code:
        file = tmp_path / f"page_{number}.py"
        file.write_text(code, encoding="utf-8")
        assert len(load_plugins([str(file)]).actions) == code.count("@action")


def test_the_pages_toml_is_toml():
    """Every block."""
    assert [tomllib.loads(block) for block in TOML]


def test_the_page_tells_of_everything_in_ctx():
    """And of every name that authors import, but for those that only annotations need."""
    fields = {name for name in dir(Context) if not name.startswith("_")} - {"action", "open_http"}
    assert {name for name in fields if f"ctx.{name}" not in PAGE} == set()
    annotations = {"AnyEvent", "HooklineError"}
    assert {name for name in set(hookline.__all__) - annotations if name not in PAGE} == set()


def test_the_page_is_short():
    """It is to be read in one sitting."""
    assert len(PAGE.splitlines()) <= 200
