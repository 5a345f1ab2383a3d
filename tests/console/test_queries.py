"""What a list is asked for: from an address and back."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from hookline.filters import Filter
from hookline_console.queries import Query, wanted


def test_an_empty_query_asks_for_everything() -> None:
    """Also one of blanks, and one with parameters that mean nothing."""
    for address in ({}, {"source": " ", "other": "x"}):
        query = Query.read(address)
        assert query.is_empty
        assert wanted(query) == (Filter(), {})
        assert query.href("/events") == "/events"


def test_every_field_comes_into_the_filter() -> None:
    """Times as the command line takes them."""
    given_fields = {
        "source": "misskey",
        "type": "misskey.*",
        "state": "dead",
        "action": "p.x",
        "since": "2026-05-01T12:00+09:00",
        "until": "2026-05-01T12:00Z",
        "id": "01a2",
        "text": "猫 & <b>",
    }
    meant, problems = wanted(Query.read(given_fields))
    assert problems == {}
    assert meant == Filter(
        "misskey", "misskey.*", "dead", 1_777_604_400_000, 1_777_636_800_000, "p.x", "01a2", "猫 & <b>"
    )


def test_what_is_wrong_is_left_out_and_said() -> None:
    """The rest is looked for all the same."""
    meant, problems = wanted(Query(source="misskey", state="asleep", since="soon"))
    assert meant == Filter(source="misskey")
    assert problems.keys() == {"state", "since"}


@given(st.builds(Query, *[st.text().map(str.strip)] * 8))
def test_an_address_is_read_as_it_was_written(query: Query) -> None:
    """Whatever was typed."""
    address = query.href("/events", cursor="c")
    assert Query.read(dict(parse_qsl(urlsplit(address).query))) == query
