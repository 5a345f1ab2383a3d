"""Who may deliver as esa, and which deliveries are one."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.errors import SettingsError, VerificationError
from hookline.providers import DEDUPE_WINDOW_SECONDS, Delivery
from hookline.providers.esa import PROVIDER

HEADER = b"X-Esa-Signature"
BODY = '{"kind":"post_create","post":{"name":"日報/朝会"}}'.encode()
SIGNATURE = b"sha256=31e033fe65860de0ed691ffab237da0202d3dbc8be7ba268259bd945c824b595"  # made with openssl


def refusal(*signatures: bytes, body: bytes = BODY) -> str:
    """The reason why a delivery is refused."""
    with pytest.raises(VerificationError) as caught:
        PROVIDER.verifier([b"secret"])(Delivery([(HEADER, signature) for signature in signatures], body))
    return caught.value.reason


@pytest.mark.parametrize(
    ("secret", "body", "signature"),
    [
        (b"secret", BODY, SIGNATURE),
        # RFC 4231, test cases 2 and 6
        (
            b"Jefe",
            b"what do ya want for nothing?",
            b"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            b"sha256=60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_published_and_independent_signatures_are_accepted(
    secret: bytes, body: bytes, signature: bytes
) -> None:
    """HMAC-SHA256 over the body as it came."""
    PROVIDER.verifier([secret])(Delivery([(HEADER, signature)], body))


@pytest.mark.parametrize("secrets", [[b"secret", b"other"], [b"other", b"secret"]])
def test_any_of_several_secrets_is_accepted(secrets: list[bytes]) -> None:
    """That is how one rotates."""
    PROVIDER.verifier(secrets)(Delivery([(HEADER, SIGNATURE)], BODY))


def test_upper_case_digits_and_header_names_of_any_case_are_accepted() -> None:
    """They mean the same."""
    upper = b"sha256=" + SIGNATURE[7:].upper()
    PROVIDER.verifier([b"secret"])(Delivery([(b"x-eSA-signature", b" " + upper)], BODY))


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"sha256=",
        SIGNATURE[7:],
        SIGNATURE[:-1],
        SIGNATURE + b"0",
        b"sha1=" + b"0" * 40,
        "sha256=é".encode(),
        b"sha256=" + "٣".encode() * 32,
        b"\xff" * 71,
        b"x" * 5_000_000,
    ],
)
def test_a_header_that_is_no_signature_is_refused(signature: bytes) -> None:
    """Without a TypeError for characters that are not ASCII."""
    assert "is not sha256= and 64 hexadecimal digits" in refusal(signature)


def test_a_signature_of_another_secret_or_body_is_refused() -> None:
    """To the last byte of the body."""
    assert "fits none" in refusal(b"sha256=" + b"0" * 64)
    assert "fits none" in refusal(SIGNATURE, body=BODY + b"\n")


def test_a_delivery_without_a_signature_is_refused() -> None:
    """The reason says what to do about it."""
    assert refusal() == "no X-Esa-Signature header: the webhook has no secret set in esa"


def test_signatures_that_contradict_each_other_are_refused() -> None:
    """One of them was added on the way."""
    assert "contradict" in refusal(SIGNATURE, b"sha256=" + b"0" * 64)


@pytest.mark.parametrize("secrets", [[], [b""], [b"secret", b""]])
def test_a_verifier_without_a_secret_is_not_made(secrets: list[bytes]) -> None:
    """An empty secret is no secret."""
    with pytest.raises(SettingsError, match="secret"):
        PROVIDER.verifier(secrets)


def test_hook_ids_are_refused_rather_than_ignored() -> None:
    """Whoever sets them believes that they are checked."""
    with pytest.raises(SettingsError, match="remove hook_ids"):
        PROVIDER.verifier([b"secret"], ["hook1"])


def test_the_signature_is_struck_out() -> None:
    """With it and the body a weak secret can be guessed."""
    assert PROVIDER.secret_headers == {"x-esa-signature"}


def key(body: bytes, *ids: bytes) -> tuple[str, int]:
    """The dedupe key and window of a delivery with this X-Esa-Delivery."""
    made = PROVIDER.dedupe_key(Delivery([(b"X-Esa-Delivery", value) for value in ids], body))
    return made.key, made.window_seconds


def test_deliveries_of_one_id_are_one() -> None:
    """For as long as a repeat may come."""
    assert key(b"{}", b"12345") == key(b"{}", b" 12345 ")
    assert key(b"{}", b"12345")[1] == DEDUPE_WINDOW_SECONDS
    assert key(b"{}", b"12345") != key(b"{}", b"12346")


def test_an_id_swallows_no_other_event() -> None:
    """It isn't signed, so somebody else may have sent an older delivery again under it."""
    assert key(b"{}", b"12345") != key(b"{ }", b"12345")


@pytest.mark.parametrize("ids", [[], [b""], [b" "]])
def test_without_an_id_equal_bodies_are_one_for_a_short_while(ids: list[bytes]) -> None:
    """The same may happen to a post again."""
    assert key(b"{}", *ids) == key(b"{}")
    assert key(b"{}", *ids) != key(b"{ }")
    assert key(b"{}", *ids)[1] == 60


def test_an_id_is_never_taken_for_a_body() -> None:
    """The two kinds of keys are apart."""
    assert key(b"12345", b"12345")[0] != key(b"12345")[0]


def test_a_long_id_makes_no_long_key() -> None:
    """Its form isn't documented."""
    assert len(key(b"{}", b"x" * 5_000_000)[0]) == len(key(b"{}", b"1")[0])


@settings(deadline=None)
@given(st.lists(st.binary(), max_size=3), st.binary(), st.binary(min_size=1))
def test_arbitrary_signatures_are_refused_and_nothing_else(
    headers: list[bytes], body: bytes, secret: bytes
) -> None:
    """No other error comes out."""
    sent = Delivery([(HEADER, value) for value in headers], body)
    with pytest.raises(VerificationError):
        PROVIDER.verifier([secret])(sent)
    assert PROVIDER.dedupe_key(sent).key


@settings(deadline=None)
@given(st.binary(), st.binary(min_size=1))
def test_every_right_signature_is_accepted(body: bytes, secret: bytes) -> None:
    """Whatever the bytes of secret and body."""
    signature = b"sha256=" + hmac.new(secret, body, "sha256").hexdigest().encode()
    PROVIDER.verifier([secret])(Delivery([(HEADER, signature)], body))
