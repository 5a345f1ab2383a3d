"""What a sender or an action wrote, as the command line shows it: a terminal sees text and nothing else."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from hookline.cli.answer_table import print_answer
from hookline.cli.events import event_table
from hookline.cli.lines import event_line, print_log
from hookline.cli.story import story, story_json
from hookline.index import Summary
from hookline.ledger import Attempt, Run
from hookline.live import Seen
from hookline.printable import escaped, json_line, lines, one_line
from hookline.senders import Answer

EVIL = "a\x1b[2Jb\x1b]0;title\x07c\x9b1md\x7fe\rf\x08g[red]h[/red][link=http://x]i\u202ej"
OBEYED = set("\x1b\x07\x9b\x7f\r\x08\u202e")
RUN = Run(EVIL, "dead", [Attempt(1, 2, f"ValueError: {EVIL}", f"Traceback\n  {EVIL}")])


def printed(what: object) -> str:
    """What the console writes for it, without colours of its own."""
    file = io.StringIO()
    Console(file=file, width=4000, color_system=None).print(what)
    return file.getvalue()


def stored(body: bytes) -> dict[str, bytes]:
    """An event's fields with something evil wherever a sender or an action can put it."""
    return {
        "source": b"misskey",
        "provider": b"misskey",
        "state": b"dead",
        "type": EVIL.encode(),
        "received_at": b"1790000000000",
        "error": EVIL.encode(),
        "headers": json.dumps([[EVIL, EVIL]]).encode(),
        "body": body,
        "deaths": b"1",
        "death": EVIL.encode(),
        f"run:{EVIL}": RUN.to_json().encode(),
        f"past:1:{EVIL}": RUN.to_json().encode(),
    }


@pytest.mark.parametrize(
    "body",
    [EVIL.encode(), EVIL.encode("latin-1", "replace"), json.dumps({EVIL: EVIL}, ensure_ascii=False).encode()],
    ids=["text", "not UTF-8", "JSON"],
)
def test_an_events_story_is_text(body: bytes) -> None:
    """Headers, body, errors and tracebacks; square brackets are no markup."""
    told = printed(story("an id", stored(body)))
    assert not OBEYED & set(told)
    assert told.count("[red]h[/red][link=http://x]i") >= 8


def test_lines_of_events_and_logs_are_text() -> None:
    """As `hookline dev` and `hookline tail` print them as they come."""
    seen = Seen("an id", "misskey", EVIL, "dead", 1, 0, 0, "", {EVIL: RUN})
    file = io.StringIO()
    console = Console(file=file, width=4000, color_system=None)
    console.print(event_line(seen))
    console.print(event_line(Seen("an id", "misskey", "", "dead", 1, 0, 0, EVIL, {})))
    print_log(console, {"event": EVIL, "level": "error", EVIL: EVIL, "exception": f"Traceback\n {EVIL}"})
    assert not OBEYED & set(file.getvalue())
    assert file.getvalue().count("[red]h[/red]") == 8


def test_a_list_of_events_is_text() -> None:
    """Its types come from the payload."""
    told = printed(event_table([Summary("an id", "misskey", EVIL, "dead", 1, 0, 0, None)]))
    assert not OBEYED & set(told)
    assert "[red]h[/red]" in told


def test_an_answer_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever it was that answered `hookline send`."""
    print_answer(Answer(200, None, 0.1, text=EVIL), "http://127.0.0.1/")
    print_answer(Answer(0, None, 0.1, error=EVIL), "http://127.0.0.1/")
    assert not OBEYED & set(capsys.readouterr().out)


def test_json_is_the_same_json_with_every_control_character_escaped() -> None:
    """It may be read in a terminal just as well."""
    told = json_line(story_json("an id", stored(EVIL.encode())))
    assert not {"\x1b", "\x9b", "\x7f", "\r", "\n"} & set(told)
    assert json.loads(told)["error"] == EVIL
    assert json.loads(escaped(f'"{chr(0x9B)}é"')) == "\x9bé"


def test_text_of_several_lines_keeps_them() -> None:
    """And text of one has no others."""
    assert lines("a\n\tb\r\x1b") == "a\n\tb␍␛"
    assert one_line("a\n\tb") == "a␊␉b"
    assert one_line("é 日本 😀 👩‍👩‍👧") == "é 日本 😀 👩‍👩‍👧"
