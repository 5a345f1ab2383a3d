"""Bodies on a page: readable, as they were sent, and nothing but text to a browser."""

from __future__ import annotations

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline_console.bodies import READ_MOST_BYTES, SHOWN_CHARACTERS, body_of, raw_body
from hookline_console.visible import dotted, visible, visible_lines


def text_of(markup: str) -> str:
    """What a reader sees of it."""
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


def test_json_is_indented() -> None:
    """One member a line; what is empty stays together."""
    shown = body_of(b'{"a":[1,{"b":null}],"c":{},"d":[],"e":"x"}')
    assert shown.kind == "JSON"
    assert text_of(shown.html) == (
        '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": {},\n  "d": [],\n  "e": "x"\n}'
    )


def test_json_keeps_every_token_as_it_was_sent() -> None:
    """Numbers, escapes, and a key that comes twice: nothing is read and written anew."""
    raw = rb'{"a": 1.0e400, "a": -0, "b": "\u0041\/", "c": 12345678901234567890123}'
    shown = text_of(body_of(raw).html)
    assert re.sub(r"\s", "", shown) == re.sub(r"\s", "", raw.decode())


def test_json_is_coloured_by_what_it_is() -> None:
    """Keys, strings, numbers and words each have a class of their own."""
    shown = body_of(b'{"k": ["s", 1, true]}').html
    assert re.findall(r'class="json-(\w+)">([^<]*)<', shown) == [
        ("key", "&#34;k&#34;"),
        ("string", "&#34;s&#34;"),
        ("number", "1"),
        ("word", "true"),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=json_values)
def test_any_json_reads_the_same_when_indented(value: object) -> None:
    """What is left out or added is white space between tokens."""
    shown = body_of(json.dumps(value).encode())
    assert json.loads(text_of(shown.html)) == value


@given(raw=st.binary(max_size=200))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    """And bring in no element but the marks and colours of ours."""
    for shown in (body_of(raw), raw_body(raw)):
        tags = re.findall(r"<[^>]*>", shown.html)
        assert all(re.fullmatch(r'</span>|<span class="[a-z-]+"( title="[a-z ]+")?>', tag) for tag in tags)


@pytest.mark.parametrize(
    ("raw", "kind", "shown"),
    [
        (b"hello <b>\n", "text", "hello <b>\n"),
        (b'{"cut": "sho', "text", '{"cut": "sho'),
        (b"\xef\xbb\xbf[]", "JSON", "[]"),
        (b'{"a":"\xff"}', "bytes", '{"a":"\\xff"}'),
        (b"\x00\x01", "text", "[NUL][U+0001]"),
        (b"", "text", ""),
    ],
)
def test_what_is_no_json_is_text(raw: bytes, kind: str, shown: str) -> None:
    """Bytes that are no UTF-8 are shown by their numbers."""
    body = body_of(raw)
    assert (body.kind, text_of(body.html)) == (kind, shown)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * 400_000 + b"1]",
        b'{"a":"' + b"x" * 900_000 + b'"}',
        b"x" * (SHOWN_CHARACTERS + 1),
        b"[" * 900 + b"]" * 900,
        b"[1]" + b" " * READ_MOST_BYTES,
    ],
    ids=["many", "long", "text", "deep", "huge"],
)
def test_a_large_body_is_cut(raw: bytes) -> None:
    """However it is large, so that no page is."""
    body = body_of(raw)
    assert body.is_cut
    assert len(text_of(body.html)) <= SHOWN_CHARACTERS + 2_000
    assert body.size_bytes == len(raw)


def test_json_nested_too_deeply_to_be_read_is_text() -> None:
    """It is shown all the same."""
    assert body_of(b"[" * 5_000).kind == "text"


def test_a_dotted_name_may_be_broken_at_its_dots() -> None:
    """And nothing else of it is markup."""
    assert dotted("plugins.<b>.x") == "plugins.<wbr>&lt;b&gt;.<wbr>x"


def test_what_hides_is_made_visible() -> None:
    """Controls, what reverses the line, what has no width; joiners, without which emoji fall apart, stay."""
    assert text_of(visible("a\x1b[2J\u202eb\u200bc\u2066\ufeff\x00\n\t\x7f")) == (
        "a[ESC][2J[U+202E]b[U+200B]c[U+2066][U+FEFF][NUL][LF][TAB][DEL]"
    )
    assert text_of(visible("🐈‍⬛ é 日本語")) == "🐈‍⬛ é 日本語"
    assert text_of(visible("\ud800")) == "[U+D800]"


def test_lines_stay_lines() -> None:
    """A carriage return that is not part of a line's end is made visible: it could hide what is before it."""
    assert text_of(visible_lines("a\r\nb\n\tc\rd")) == "a\nb\n\tc[CR]d"


def test_markup_is_escaped() -> None:
    """Before, between and after marks."""
    assert re.split("<span[^>]*>.*?</span>", visible("<a>\x00<b>\x00<c>")) == [
        "&lt;a&gt;",
        "&lt;b&gt;",
        "&lt;c&gt;",
    ]
