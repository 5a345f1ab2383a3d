"""Who may deliver as Misskey, and which deliveries are one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import SettingsError, VerificationError
from hookline.providers import DEDUPE_WINDOW_SECONDS, Delivery
from hookline.providers.misskey import PROVIDER

SECRET = b"s3cret-of-the-hook"
HEADER = b"x-misskey-hook-secret"
FAMILIES = ["Misskey", "Firefish", "Calckey", "Iceshrimp"]


def delivery(*headers: tuple[bytes, bytes], body: bytes = b"{}") -> Delivery:
    """A delivery with these headers beside the usual ones."""
    return Delivery([(b"content-type", b"application/json"), *headers], body)


def refusal(sent: Delivery, *secrets: bytes, hook_ids: tuple[str, ...] = ()) -> str:
    """The reason why a delivery is refused."""
    with pytest.raises(VerificationError) as caught:
        PROVIDER.verifier(secrets or (SECRET,), hook_ids)(sent)
    return caught.value.reason


@pytest.mark.parametrize("family", FAMILIES)
def test_the_secret_is_accepted_in_the_header_of_every_fork(family: str) -> None:
    """Firefish, Calckey and Iceshrimp renamed it."""
    PROVIDER.verifier([SECRET])(delivery((f"X-{family}-Hook-Secret".encode(), SECRET)))


@pytest.mark.parametrize("sent", [b"old", b"new"])
def test_any_of_several_secrets_is_accepted(sent: bytes) -> None:
    """That is how one rotates."""
    PROVIDER.verifier([b"new", b"old"])(delivery((HEADER, sent)))


@pytest.mark.parametrize("configured", ["é¡ÿ".encode(), "é¡ÿ".encode("latin-1")])
@pytest.mark.parametrize("sent", ["é¡ÿ".encode("latin-1")])
def test_a_secret_with_latin_1_characters_is_accepted_as_node_sends_it(
    configured: bytes, sent: bytes
) -> None:
    """One byte for each character, however it is configured."""
    PROVIDER.verifier([configured])(delivery((HEADER, sent)))


def test_a_secret_with_latin_1_characters_is_accepted_in_utf_8() -> None:
    """As a proxy may write it."""
    PROVIDER.verifier(["é".encode()])(delivery((HEADER, "é".encode())))


def test_outer_spaces_of_the_secret_do_not_count() -> None:
    """HTTP strips them on the way."""
    PROVIDER.verifier([b"  with spaces "])(delivery((HEADER, b"with spaces")))
    PROVIDER.verifier([b"with spaces"])(delivery((HEADER, b" with spaces\t")))


@pytest.mark.parametrize(
    "wrong", [b"wrong", SECRET[:-1], SECRET + b"x", SECRET.upper(), b"\xff\x00", b"x" * 5_000_000]
)
def test_a_wrong_secret_is_refused(wrong: bytes) -> None:
    """And the reason gives neither the right one nor the wrong one away."""
    reason = refusal(delivery((HEADER, wrong)))
    assert reason == "the hook secret is none of this source's secrets"


@pytest.mark.parametrize("empty", [b"", b" ", b"\t \t"])
def test_an_empty_secret_header_is_refused(empty: bytes) -> None:
    """Misskey sends it so for a webhook without a secret, and so would anybody else."""
    assert "is empty" in refusal(delivery((HEADER, empty)))


def test_a_missing_secret_header_is_refused() -> None:
    """The reason names the header."""
    assert "no X-Misskey-Hook-Secret header" in refusal(delivery())


def test_secret_headers_that_contradict_each_other_are_refused() -> None:
    """One of them was added on the way."""
    both = delivery((HEADER, SECRET), (b"x-firefish-hook-secret", b"other"))
    assert "contradict" in refusal(both)
    assert "contradict" in refusal(delivery((HEADER, SECRET), (HEADER, b"")))


def test_secret_headers_that_agree_are_accepted() -> None:
    """A fork may send the header under its old name as well."""
    PROVIDER.verifier([SECRET])(delivery((HEADER, SECRET), (b"X-Firefish-Hook-Secret", SECRET)))


@pytest.mark.parametrize("secrets", [[], [b""], [b" "], [b"right", b""]])
def test_a_verifier_without_a_secret_is_not_made(secrets: list[bytes]) -> None:
    """An empty secret is no secret."""
    with pytest.raises(SettingsError, match="secret"):
        PROVIDER.verifier(secrets)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_bound_source_accepts_its_own_webhooks(family: str) -> None:
    """Whichever fork sends the id."""
    verify = PROVIDER.verifier([SECRET], ["hook1", "hook2"])
    verify(delivery((HEADER, SECRET), (f"X-{family}-Hook-Id".encode(), b"hook2")))


@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        ([], "no X-Misskey-Hook-Id"),
        ([b"hook3"], "none of"),
        ([b""], "none of"),
        ([b"hook1", b"hook3"], "contradict"),
    ],
)
def test_a_bound_source_refuses_other_webhooks(ids: list[bytes], problem: str) -> None:
    """Although their secret is right."""
    headers = [(b"x-misskey-hook-id", hook_id) for hook_id in ids]
    assert problem in refusal(delivery((HEADER, SECRET), *headers), hook_ids=("hook1",))


def test_the_secret_headers_of_every_fork_are_struck_out() -> None:
    """Their names are lower case, as the receiver compares them."""
    assert PROVIDER.secret_headers == {f"x-{family.lower()}-hook-secret" for family in FAMILIES}


def test_a_retry_has_the_key_of_the_first_try() -> None:
    """It is identical to the byte, even days later."""
    first, retry = (PROVIDER.dedupe_key(delivery(body=b'{"eventId":"1"}')) for _ in range(2))
    assert first == retry
    assert first.window_seconds == DEDUPE_WINDOW_SECONDS


def test_another_event_has_another_key() -> None:
    """Although its content may be the same."""
    keys = {PROVIDER.dedupe_key(delivery(body=b'{"eventId":"%d"}' % number)).key for number in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "body",
    [
        rb'{"type":"follow","user":{}}',
        rb'{"type":"note","note":{"text":"\"eventId\":"}}',
        rb'{"type":"note","note":{"text":"eventId"}}',
    ],
)
def test_without_an_event_id_the_window_is_short(body: bytes) -> None:
    """It covers the retries, and ends before the same user is followed again."""
    assert 16.2 * 60 < PROVIDER.dedupe_key(delivery(body=body)).window_seconds < 3600


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([HEADER, b"x-calckey-hook-secret", b"x-misskey-hook-id"]), st.binary())
    )
)
def test_arbitrary_header_values_are_refused_and_nothing_else(headers: list[tuple[bytes, bytes]]) -> None:
    """No other error comes out."""
    with pytest.raises(VerificationError):
        PROVIDER.verifier([SECRET], ["hook1"])(delivery(*headers))


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_every_delivery_has_a_dedupe_key(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Of a fixed size, whatever was sent."""
    assert len(PROVIDER.dedupe_key(Delivery(headers, body)).key) == 64
