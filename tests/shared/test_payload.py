"""Reading a raw body: whatever it holds, a JSON object or a ParseError comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import ParseError
from hookline.providers.payload import MAX_TYPE_CHARACTERS, read_object, read_type


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "EOF"),
        (b'{"a":', "EOF"),
        (b"{'a':1}", "line 1 column 2"),
        (b'{"a":1} x', "trailing characters"),
        (b'{"a":NaN}', "expected value"),
        (b'{"a":Infinity}', "expected value"),
        (b'{"a":-Infinity}', "invalid number"),
        (b'{"a":"\xff"}', "invalid unicode"),
        (b'{"a":"\xed\xa0\x80"}', "invalid unicode"),
        (b'{"a":"caf\xe9"}', "invalid unicode"),
        (b'{"a":' + b"9" * 5000 + b"}", "number out of range"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "recursion limit"),
        (b'{"a":' + b"[" * 500_000, "recursion limit"),
        (b'{"a":"\\ud83', "EOF"),
        (b"[]", "an array, not an object"),
        (b'"note"', "a string, not an object"),
        (b"null", "null, not an object"),
        (b"true", "a boolean, not an object"),
        (b"1.5", "a number, not an object"),
    ],
)
def test_what_is_not_a_json_object_is_a_parse_error(body: bytes, problem: str) -> None:
    """The message says what is wrong, in a line."""
    with pytest.raises(ParseError, match=problem) as caught:
        read_object(body)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_passed_over() -> None:
    """Some proxies write one."""
    assert read_object(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (rb"\ud83d", "�"),
        (rb"\ude00", "�"),
        (rb"cut \ud83d\n", "cut �\n"),
        (rb"\ud83d\u0041", "�A"),
        (rb"\ud83d\ud83d\ude00", "�😀"),
        (rb"\ude00\ud83d", "��"),
        (rb"\\ud83d \uDE00", r"\ud83d �"),
        (rb"\\\ud83d", "\\�"),
    ],
)
def test_half_a_surrogate_pair_becomes_the_replacement_character(escaped: bytes, text: str) -> None:
    """A sender that cuts a text in the middle of an emoji is no reason to lose the event."""
    assert read_object(b'{"text":"' + escaped + b'"}') == {"text": text}


def test_whole_surrogate_pairs_are_kept() -> None:
    """They are how an emoji is escaped."""
    assert read_object(rb'{"text":"\ud83d\ude00"}') == {"text": "😀"}


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, "type: is missing"),
        ({"type": None}, "type: is null, not a string"),
        ({"type": 1}, "type: is a number, not a string"),
        ({"type": ["note"]}, "type: is an array, not a string"),
        ({"type": ""}, "type: has 0 characters"),
        ({"type": "x" * (MAX_TYPE_CHARACTERS + 1)}, "type: has 129 characters"),
        ({"type": "note\n"}, "type: holds characters that cannot be printed"),
    ],
)
def test_a_payload_without_a_usable_type_is_a_parse_error(payload: dict[str, object], problem: str) -> None:
    """There would be no name for its event."""
    with pytest.raises(ParseError, match=problem):
        read_type(payload, "type")


@settings(deadline=None)
@given(st.binary() | st.binary().map(lambda tail: b'{"a":"' + tail) | st.text().map(str.encode))
def test_arbitrary_bytes_give_an_object_or_a_parse_error(body: bytes) -> None:
    """And nothing else."""
    try:
        payload = read_object(body)
    except ParseError:
        return
    assert isinstance(payload, dict)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["\\", "ud83d", "ude00", "\\ud83d", "\\ude00", "u0041", "x", '"']), max_size=12)
)
def test_every_mended_text_can_be_encoded(parts: list[str]) -> None:
    """No lone surrogate is left to fail later, in a log or in Redis."""
    try:
        payload = read_object(('{"text":"' + "".join(parts) + '"}').encode())
    except ParseError:
        return
    payload["text"].encode()
