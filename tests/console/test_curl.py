"""Copy as curl: whatever was sent, a shell given the command sends the same again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.references import STRUCK_OUT
from hookline_console.curl import WRITTEN_MOST_BYTES, as_curl, variable

URL = "http://127.0.0.1:1/hooks/it's"
SHELLS = [shell for shell in ("dash", "bash", "zsh", "sh") if shutil.which(shell)]

# In the place of curl: writes down its arguments, and its input where it was asked for.
STAND_IN = """#!/usr/bin/env python3
import json, sys
words = sys.argv[1:]
body = sys.stdin.buffer.read() if "--data-binary" in words else None
raw = [word.encode("utf-8", "surrogateescape").decode("latin-1") for word in words]
print(json.dumps({"words": raw, "body": body and body.decode("latin-1")}))
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `curl` that sends nothing."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "curl").write_text(STAND_IN)
    (folder / "curl").chmod(0o755)
    return folder


def run(shell: str, command: str, folder: Path, **variables: str) -> tuple[list[bytes], bytes]:
    """The arguments that curl is given, and the body that it would send."""
    environment = {"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **variables}
    ended = subprocess.run(
        [shell], input=command.encode(), capture_output=True, env=environment, check=True, timeout=30
    )
    told = json.loads(ended.stdout)
    words = [word.encode("latin-1") for word in told["words"]]
    if told["body"] is not None:
        return words, told["body"].encode("latin-1")
    return words, words[words.index(b"--data-raw") + 1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"text":"it\'s $HOME `id` $(id) \\\\ ! %s %d \\n"}',
        "日本語 🐈‍⬛".encode(),
        b"two\nlines\n\n",
        b"@/etc/passwd",
        b"-n %%",
        bytes(range(256)) * 2,
        b"\x00-\x1b]0;title\x07'9",
        "a\u202eb\r\n\t".encode(),
        b"x" * (WRITTEN_MOST_BYTES - 4) + b"'%\\y",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_any_body_survives_the_shell(shell: str, body: bytes, stand_in: Path) -> None:
    """Quotes, variables, what would be a file's name or an option, and bytes that are no text at all."""
    words, sent = run(shell, as_curl(URL, [("Content-Type", "application/json")], body, "f.txt"), stand_in)
    assert sent == body
    assert words[0] == URL.encode()


@settings(max_examples=25)
@given(body=st.binary(max_size=60), value=st.binary(max_size=20))
def test_any_bytes_survive_the_shell(body: bytes, value: bytes, stand_in: Path) -> None:
    """Also in a header, but for what HTTP itself does not let into one."""
    value = value.translate(None, b"\r\n\x00").strip()
    words, sent = run(SHELLS[0], as_curl(URL, [("X-Some", value.decode("latin-1"))], body, "f.txt"), stand_in)
    assert sent == body
    assert (b"X-Some: " + value if value else b"X-Some;") in words


def test_what_was_struck_out_is_a_variable(stand_in: Path) -> None:
    """Its value goes into the header as it is; without it the shell says what to set and calls nothing."""
    command = as_curl(URL, [("X-Misskey-Hook-Secret", STRUCK_OUT)], b"{}", "f.txt")
    words, _ = run("sh", command, stand_in, X_MISSKEY_HOOK_SECRET='a "b" $c')
    assert b'X-Misskey-Hook-Secret: a "b" $c' in words
    ended = subprocess.run(["sh"], input=command, capture_output=True, text=True, timeout=30)
    assert ended.returncode != 0
    assert "X_MISSKEY_HOOK_SECRET: was struck out; set it" in ended.stderr


def test_a_variable_has_a_name_that_shells_take() -> None:
    """Whatever the header is called."""
    assert variable("authorization") == "AUTHORIZATION"
    assert variable("1-$(id)") == "_1___ID_"


def test_the_connections_own_headers_are_left_to_curl(stand_in: Path) -> None:
    """They belong to another connection; and curl adds no type of its own."""
    headers = [("Host", "a"), ("content-length", "9"), ("Accept", "*/*")]
    words, _ = run("sh", as_curl(URL, headers, b"{}", "f.txt"), stand_in)
    assert [word for word in words if word != b"-H"] == [
        URL.encode(),
        b"Accept: */*",
        b"Content-Type:",
        b"--data-raw",
        b"{}",
    ]


def test_a_long_body_is_read_from_the_file_that_it_is_saved_as() -> None:
    """No shell would take it."""
    command = as_curl(URL, [], b"x" * (WRITTEN_MOST_BYTES + 1), "01ab.txt")
    assert command.endswith("--data-binary @01ab.txt")
    assert len(command) < 200
