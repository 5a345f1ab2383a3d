"""The settings: who wins, what is refused, how it is said, and that all of it is documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hookline.errors import SettingsError
from hookline.references import resolve_secret, strike_out
from hookline.settings import Settings, Source, config_file, load_settings

ROOT = Path(__file__).parents[2]

MISSKEY = '[sources.misskey]\nprovider = "misskey"\nsecrets = ["env:MISSKEY_SECRET"]\n'


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Writes a settings file and gives its path."""

    def write(text: str) -> Path:
        path = tmp_path / "hookline.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refusal(path: Path | None = None, **environ: str) -> str:
    """What is said about these settings, which must be refused."""
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)


def test_without_a_file_and_variables_everything_has_its_default() -> None:
    """Nothing needs to be set."""
    assert load_settings(environ={}) == Settings()


def test_a_file_is_read(toml: Any) -> None:
    """Sections, sources and the plugins' own settings."""
    settings = load_settings(
        toml(MISSKEY + '[receiver]\nport = 9000\n[plugins.mirror]\nBranch = "main"'), environ={}
    )
    assert settings.receiver.port == 9000
    assert settings.sources == {"misskey": Source(provider="misskey", secrets=("env:MISSKEY_SECRET",))}
    assert settings.plugins == {"mirror": {"Branch": "main"}}


def test_settings_that_are_made_outright_are_what_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load_settings` reads anything."""
    monkeypatch.setenv("HOOKLINE_RECEIVER__PORT", "9000")
    assert Settings().receiver.port == 8080
    assert load_settings(environ={}).receiver.port == 8080


def test_the_file_is_found_by_option_then_by_variable_then_in_the_current_folder(
    toml: Any, tmp_path: Path
) -> None:
    """The more explicit wins."""
    named = toml("")
    by_variable = tmp_path / "other.toml"
    by_variable.touch()
    assert config_file(environ={}) is None
    Path("hookline.toml").touch()
    assert config_file(environ={}) == Path("hookline.toml")
    assert config_file(environ={"HOOKLINE_CONFIG": str(by_variable)}) == by_variable
    assert config_file(named, environ={"HOOKLINE_CONFIG": str(by_variable)}) == named


def test_a_missing_file_that_was_named_is_refused(tmp_path: Path) -> None:
    """Falling back to the defaults would surprise."""
    assert "gone.toml: no such file" in refusal(tmp_path / "gone.toml")
    assert "gone.toml: no such file" in refusal(HOOKLINE_CONFIG=str(tmp_path / "gone.toml"))


@pytest.mark.parametrize("text", ["[receiver\n", "port = \x00"])
def test_a_file_that_is_not_toml_is_named(toml: Any, text: str) -> None:
    """With the line, as the parser says it."""
    assert re.search(r"hookline\.toml is not TOML: .*line 1", refusal(toml(text)))


def test_a_variable_wins_over_the_file_and_leaves_the_rest(toml: Any) -> None:
    """One field of a section is replaced, its siblings stay."""
    path = toml('[redis]\nurl = "redis://file:1/0"\ncommit_timeout_seconds = 1.5')
    redis = load_settings(path, environ={"HOOKLINE_REDIS__URL": "redis://environment:2/0"}).redis
    assert (redis.url, redis.commit_timeout_seconds) == ("redis://environment:2/0", 1.5)


def test_a_source_can_be_given_by_variables_alone() -> None:
    """As in a container without a file."""
    settings = load_settings(
        environ={
            "HOOKLINE_SOURCES__MISSKEY__PROVIDER": "misskey",
            "HOOKLINE_SOURCES__MISSKEY__SECRETS": '["env:A", "file:/run/secrets/b"]',
        }
    )
    assert settings.sources["misskey"].secrets == ("env:A", "file:/run/secrets/b")


@pytest.mark.parametrize("given", ['["a", "b"]', "a,b", " a , b,"])
def test_a_list_is_json_or_separated_by_commas(given: str) -> None:
    """Commas are easier to write in a shell."""
    assert load_settings(environ={"HOOKLINE_WORKER__PLUGINS": given}).worker.plugins == ("a", "b")


def test_an_id_in_a_list_stays_as_it_is_written() -> None:
    """As JSON, this one would be a number."""
    environ = {
        "HOOKLINE_SOURCES__A__PROVIDER": "misskey",
        "HOOKLINE_SOURCES__A__UNVERIFIED": "true",
        "HOOKLINE_SOURCES__A__HOOK_IDS": "9e123",
    }
    assert load_settings(environ=environ).sources["a"].hook_ids == ("9e123",)


def test_a_section_can_be_given_as_json_and_its_parts_win_over_it() -> None:
    """Whatever the order of the variables is."""
    section = {"misskey": {"provider": "misskey", "unverified": True}}
    environ = {
        "HOOKLINE_SOURCES__MISSKEY__UNVERIFIED": "false",
        "HOOKLINE_SOURCES__MISSKEY__SECRETS": "env:A",
        "HOOKLINE_SOURCES": json.dumps(section),
    }
    assert load_settings(environ=environ).sources["misskey"].secrets == ("env:A",)


def test_a_plugins_own_setting_is_text_unless_its_section_is_given_as_json() -> None:
    """Nothing says what a plugin wants, so nothing is guessed."""
    environ = {"HOOKLINE_PLUGINS__MIRROR": '{"labels": ["a"]}', "HOOKLINE_PLUGINS__MIRROR__DEPTH": "3"}
    assert load_settings(environ=environ).plugins == {"mirror": {"labels": ["a"], "depth": "3"}}


def test_a_name_with_a_dash_is_meant_by_its_variable_with_an_underscore(toml: Any) -> None:
    """No shell can write a dash in a variable's name."""
    path = toml('[sources.team-docs]\nprovider = "esa"\nunverified = true\n[plugins.my-Mirror]\napiKey = 1')
    environ = {
        "HOOKLINE_SOURCES__TEAM_DOCS__HOOK_IDS": "x",
        "HOOKLINE_PLUGINS__MY_MIRROR__BRANCH": "main",
    }
    settings = load_settings(path, environ=environ)
    assert settings.sources["team-docs"].hook_ids == ("x",)
    assert settings.plugins == {"my-Mirror": {"apiKey": 1, "branch": "main"}}


def test_an_empty_variable_counts_as_not_set(toml: Any) -> None:
    """Compose passes on what is not set as an empty text."""
    path = toml("[receiver]\nport = 9000")
    assert load_settings(path, environ={"HOOKLINE_RECEIVER__PORT": ""}).receiver.port == 9000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[recever]", "recever: no such setting; did you mean 'receiver'?"),
        ("[receiver]\nprot = 1", "receiver.prot: no such setting; did you mean 'port'?"),
        (MISSKEY + 'secret = "x"', "sources.misskey.secret: no such setting; did you mean 'secrets'?"),
        (
            "[retention]\nzzz = 1",
            "retention.zzz: no such setting; there are dead_days, done_days, max_dead, max_done",
        ),
    ],
)
def test_an_unknown_key_names_its_nearest_neighbour(toml: Any, text: str, told: str) -> None:
    """At every level."""
    path = toml(text)
    assert refusal(path) == f"{path}: {told}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("HOOKLINE_REDIS_URL", "did you mean HOOKLINE_REDIS__URL?"),
        ("HOOKLINE_REDIS__URI", "did you mean HOOKLINE_REDIS__URL?"),
        ("HOOKLINE_SOURCES__A__SECRET", "did you mean HOOKLINE_SOURCES__A__SECRETS?"),
        ("HOOKLINE_SOURCE__A__SECRETS", "did you mean HOOKLINE_SOURCES__A__SECRETS?"),
        ("HOOKLINE_CONFG", "did you mean HOOKLINE_CONFIG?"),
        ("HOOKLINE_", "docs/settings.md lists them all"),
    ],
)
def test_an_unknown_variable_names_its_nearest_neighbour(name: str, hint: str) -> None:
    """A misspelt variable is no less of a surprise than a misspelt key."""
    assert f"{name}: no such setting; {hint}" in refusal(**{name: "1"}).splitlines()


def test_a_variable_below_a_setting_is_refused() -> None:
    """By the name of the setting."""
    assert refusal(HOOKLINE_RECEIVER__PORT__X="1").startswith("HOOKLINE_RECEIVER__PORT: Input should be")


@pytest.mark.parametrize(
    "name", ["HOOKLINE_ESA_SECRET", "HOOKLINE_REDIS__SECRET", "HOOKLINE_REDIS__PASSWORD"]
)
def test_a_variable_that_a_secret_refers_to_is_no_setting(toml: Any, name: str) -> None:
    """Its name is the user's."""
    path = toml(f'[redis]\npassword = "env:{name}"')
    assert load_settings(path, environ={name: "s3cret-s3cret"}).redis.password == f"env:{name}"


def test_what_kubernetes_tells_of_a_service_of_our_name_is_passed_over() -> None:
    """Every container in a namespace gets these for every service."""
    links = {
        "HOOKLINE_SERVICE_HOST": "10.0.0.1",
        "HOOKLINE_SERVICE_PORT_HTTP": "8080",
        "HOOKLINE_PORT": "tcp://10.0.0.1:8080",
        "HOOKLINE_RECEIVER_PORT": "tcp://10.0.0.1:8080",
        "HOOKLINE_RECEIVER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(environ=links) == Settings()
    assert "did you mean HOOKLINE_RECEIVER__PORT?" in refusal(HOOKLINE_RECEIVER_PORT="8080")


def test_everything_wrong_is_told_at_once(toml: Any) -> None:
    """With who said it: the file, or the variable."""
    path = toml('[receiver]\nport = 99999\n[sources.a]\nprovider = "mastodon"')
    told = refusal(path, HOOKLINE_WORKER__ATTEMPTS="none", HOOKLINE_WROKER__QUEUE="x").splitlines()
    assert [line.partition(": ")[0] for line in told] == [
        str(path),
        "HOOKLINE_WORKER__ATTEMPTS",
        str(path),
        "HOOKLINE_WROKER__QUEUE",
    ]
    assert told[0].endswith("receiver.port: Input should be less than or equal to 65535 (it is 99999)")
    assert "(it is 'none')" in told[1]
    assert "no provider of this name is installed (esa, misskey)" in told[2]


def test_what_is_missing_in_a_source_given_by_variables_names_the_variable() -> None:
    """It is where to put it."""
    told = refusal(HOOKLINE_SOURCES__A__UNVERIFIED="true")
    assert told == "HOOKLINE_SOURCES__A__PROVIDER: is missing"


@pytest.mark.parametrize("given", ["", "secrets = []"])
def test_a_source_without_a_secret_is_refused(toml: Any, given: str) -> None:
    """Both ways out are named."""
    told = refusal(toml(f'[sources.a]\nprovider = "esa"\n{given}'))
    assert "sources.a: a source needs its secret" in told
    assert "unverified = true" in told


def test_a_source_without_a_secret_may_say_that_it_is_unverified(toml: Any) -> None:
    """On purpose, then."""
    settings = load_settings(toml('[sources.a]\nprovider = "esa"\nunverified = true'), environ={})
    assert settings.sources["a"].secret_values() == ()


def test_a_source_that_has_secrets_and_is_unverified_is_refused(toml: Any) -> None:
    """One of the two is a mistake, and which one matters."""
    assert "contradict each other" in refusal(toml(MISSKEY + "unverified = true"))


@pytest.mark.parametrize(
    "name", ["Misskey", "a/b", "a:b", "", ".hidden", "日本", "a b", "a" * 65, "a\\n", "-a"]
)
def test_a_source_name_that_is_not_safe_in_a_url_or_a_key_is_refused(toml: Any, name: str) -> None:
    """It is part of both."""
    told = refusal(toml(f'[sources."{name}"]\nprovider = "esa"\nunverified = true'))
    assert "the name becomes part of a URL" in told


@pytest.mark.parametrize("value", ["inf", "nan", "0.0", "-1.0"])
def test_a_time_without_meaning_is_refused(toml: Any, value: str) -> None:
    """Such a time-out would never come, or at once."""
    assert "commit_timeout_seconds" in refusal(toml(f"[redis]\ncommit_timeout_seconds = {value}"))


@pytest.mark.parametrize("url", ["localhost:6379", "redis://", "redis://me:pa#ss-word@h", "redis://h/x"])
def test_a_redis_url_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    """When the settings are read, not when the first delivery comes."""
    told = refusal(HOOKLINE_REDIS__URL=url)
    assert told.startswith("HOOKLINE_REDIS__URL: ")
    assert "ss-word" not in told


SECRET = "very-s3cret"


@pytest.mark.parametrize(
    "text",
    [
        f'[sources.a]\nprovider = "esa"\nsecrets = ["{SECRET}"]',
        f'[sources.a]\nprovider = "esa"\nsecrets = "{SECRET}"',
        f'[sources.a]\nprovider = "esa"\nsecret = "{SECRET}"',
        f'[sources]\na = "{SECRET}"',
        f'sources = "{SECRET}"',
        f'[redis]\npassword = "{SECRET}"',
        f'[redis]\npasword = "{SECRET}"',
        f'[redis]\nurl = "redis://:{SECRET}@h:port/0"',
        f'redis = "{SECRET}"',
        f'[plugins]\ntoken = "{SECRET}"',
        f'plugins = "{SECRET}"',
    ],
)
def test_no_error_shows_a_secret_that_was_put_into_the_wrong_place(toml: Any, text: str) -> None:
    """Neither the message nor the errors behind it."""
    with pytest.raises(SettingsError) as caught:
        load_settings(toml(text), environ={})
    error: BaseException | None = caught.value
    while error:
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
        error = error.__cause__


@pytest.mark.parametrize(
    "name", ["SOURCES", "SOURCES__A", "SOURCES__A__SECRETS", "REDIS__PASSWORD", "PLUGINS__A"]
)
def test_no_error_shows_the_value_of_a_variable_that_may_hold_a_secret(name: str) -> None:
    """As above."""
    assert SECRET not in refusal(**{f"HOOKLINE_{name}": f'["{SECRET}'})


def test_settings_are_shown_without_secrets() -> None:
    """In repr and str."""
    environ = {
        "HOOKLINE_REDIS__URL": f"redis://me:{SECRET}@h:1/0",
        "HOOKLINE_PLUGINS__MIRROR__TOKEN": SECRET,
    }
    settings = load_settings(environ=environ)
    assert SECRET not in f"{settings!r} {settings} {settings.redis!r} {settings.redis}"
    assert "redis://me:***@h:1/0" in repr(settings)


def test_a_secret_is_read_from_where_its_reference_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files mostly end with a newline that is not part of it."""
    monkeypatch.setenv("A_SECRET", "from the environment, ü")
    (tmp_path / "secret").write_bytes(b"from a file\xff\r\n")
    assert resolve_secret("env:A_SECRET") == "from the environment, ü".encode()
    assert resolve_secret(f"file:{tmp_path}/secret") == b"from a file\xff"


def test_an_empty_secret_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one of white space."""
    monkeypatch.setenv("EMPTY", " \n")
    (tmp_path / "empty-secret").touch()
    for reference in ("env:EMPTY", f"file:{tmp_path}/empty-secret"):
        source = Source(provider="esa", secrets=(reference,))
        with pytest.raises(SettingsError, match="is empty, and an empty secret is no secret"):
            source.secret_values()


def test_a_reference_to_nothing_is_named(tmp_path: Path) -> None:
    """With the reason."""
    with pytest.raises(SettingsError, match="'env:NOT_THERE': the environment variable NOT_THERE is not set"):
        resolve_secret("env:NOT_THERE")
    with pytest.raises(SettingsError, match="No such file"):
        resolve_secret(f"file:{tmp_path}/gone")
    with pytest.raises(SettingsError, match="Is a directory"):
        resolve_secret(f"file:{tmp_path}")


@pytest.mark.parametrize("reference", [SECRET, "", "env:", "file:", f"env:{SECRET} x", f"vault:{SECRET}"])
def test_a_malformed_reference_is_not_repeated(reference: str) -> None:
    """It is most likely the secret itself."""
    with pytest.raises(SettingsError, match="is neither") as caught:
        resolve_secret(reference)
    assert SECRET not in str(caught.value)


def test_a_secret_that_was_read_is_struck_out_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain, in JSON, in repr, in a URL, and inside another text."""
    value = 'quo"ted/\\ünd spaced'
    monkeypatch.setenv("A_SECRET", value)
    resolve_secret("env:A_SECRET")
    spellings = [value, json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)]
    for spelling in [*spellings, "quo%22ted/%5C%C3%BCnd%20spaced", "quo%22ted%2F%5C%C3%BCnd%20spaced"]:
        assert re.sub(r"[\"'*]", "", strike_out(f"before {spelling} after")) == "before  after"
    assert strike_out("an innocent line") == "an innocent line"


def documented_rows() -> Iterator[str]:
    """The table rows that docs/settings.md must have, made from the settings themselves."""
    for name, section in Settings.model_fields.items():
        kind: Any = section.annotation
        if get_origin(kind) is dict:
            name, kind = f"{name}.<name>", get_args(kind)[1]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for field_name, field in kind.model_fields.items():
                yield documented_row(f"{name}.{field_name}", field)
        else:
            yield documented_row(f"{name}.<key>", section)


def documented_row(name: str, field: FieldInfo) -> str:
    """One of them: name, variable, default, meaning."""
    variable = "HOOKLINE_" + name.replace(".", "__").upper()
    default = "required" if field.is_required() else f"`{json.dumps(field.default)}`"
    if field.default is None or field.default == {}:
        default = "none"
    return f"| `{name}` | `{variable}` | {default} | {field.description} |"


def test_every_setting_is_documented_with_its_default() -> None:
    """A row that is missing in docs/settings.md is shown by this test as it must be."""
    lines = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").splitlines()
    assert sorted(line for line in lines if line.startswith("| `")) == sorted(documented_rows())


def test_the_example_file_can_be_used_as_it_is() -> None:
    """`cp hookline.example.toml hookline.toml` is the first thing that people do."""
    settings = load_settings(ROOT / "hookline.example.toml", environ={})
    assert {source.provider for source in settings.sources.values()} == {"misskey", "esa"}


def test_what_is_commented_out_in_the_example_file_is_the_default(tmp_path: Path) -> None:
    """So uncommenting a line changes nothing until its value is changed."""
    text = (ROOT / "hookline.example.toml").read_text(encoding="utf-8")
    uncommented = tmp_path / "uncommented.toml"
    uncommented.write_text(re.sub(r"(?m)^#(?=[a-z_]+ = |\[)", "", text), encoding="utf-8")
    settings = load_settings(uncommented, environ={})
    for section in ("receiver", "worker", "retention", "logging"):
        assert getattr(settings, section) == getattr(Settings(), section)
