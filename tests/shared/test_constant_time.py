"""Secrets are compared in a time that tells nothing of them: measured, and read off the code."""

from __future__ import annotations

import ast
import hmac
import statistics
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from hookline.errors import VerificationError
from hookline.providers import Delivery, Verifier, provider

ROOT = Path(__file__).parents[2]
SECRET = b"s" * 262_144
ROUNDS = 101
MOST_RATIO = 1.5
"""Between two medians of interleaved samples; a naive comparison has a hundred, see below."""

COMPARED = {"secrets", "secret", "keys", "key", "accepted", "expected", "candidate"}
COMPARED |= {"sent", "digest", "value", "signature", "spelling"}
"""What verifiers call a secret, what is made of one, and what is held against it."""
VERIFIERS = sorted((ROOT / "shared/hookline/providers").glob("*/verify.py"))


def misskey(secret: bytes) -> Delivery:
    """A delivery with this as its secret."""
    return Delivery([(b"x-misskey-hook-secret", secret)], b"{}")


def esa(signature: bytes) -> Delivery:
    """A delivery with this as its signature."""
    return Delivery([(b"x-esa-signature", b"sha256=" + signature)], b"{}")


def ratio(verify: Verifier, one: Delivery, other: Delivery) -> float:
    """How much longer refusing the one takes than the other, or the other way round; 1 is no difference."""
    took: tuple[list[int], list[int]] = ([], [])
    for number in range(2 * ROUNDS):
        which = number % 2
        delivery = (one, other)[which]
        started = time.perf_counter_ns()
        with_error(verify, delivery)
        took[which].append(time.perf_counter_ns() - started)
    medians = [statistics.median(each) for each in took]
    return max(medians) / min(medians)


def with_error(verify: Verifier, delivery: Delivery) -> None:
    """Have it refused."""
    try:
        verify(delivery)
    except VerificationError:
        return
    raise AssertionError("a wrong secret was accepted")


def least(verify: Verifier, one: Delivery, other: Delivery) -> float:
    """Of three measurements the one that was disturbed least."""
    return min(ratio(verify, one, other) for _ in range(3))


def wrong_at(place: int, right: bytes, instead: bytes) -> bytes:
    """The right one, but for one character."""
    wrong = bytearray(right)
    wrong[place] = instead[0]
    return bytes(wrong)


def test_where_a_wrong_secret_differs_does_not_show_in_the_time() -> None:
    """A guess that is right up to its last character is refused no later than one that is wrong at once."""
    verify = provider("misskey").verifier([SECRET])
    first, last = wrong_at(0, SECRET, b"x"), wrong_at(-1, SECRET, b"x")
    assert least(verify, misskey(first), misskey(last)) < MOST_RATIO


def test_how_long_the_secret_is_does_not_show_in_the_time() -> None:
    """A guess takes its own time, however long the secret is that it is held against."""
    guess = misskey(b"x" * 64)
    short, long = provider("misskey").verifier([b"y" * 64]), provider("misskey").verifier([SECRET])
    verifiers = iter([short, long] * 3 * ROUNDS)
    assert least(lambda delivery: next(verifiers)(delivery), guess, guess) < MOST_RATIO


def test_where_a_wrong_signature_differs_does_not_show_in_the_time() -> None:
    """Of 64 digits hardly anybody could see it; that they are compared as they should be is read below."""
    verify = provider("esa").verifier([SECRET])
    right = hmac.new(SECRET, b"{}", sha256).hexdigest().encode()
    instead = next(digit for digit in (b"0", b"1", b"2") if digit not in (right[:1], right[-1:]))
    first, last = wrong_at(0, right, instead), wrong_at(-1, right, instead)
    assert least(verify, esa(first), esa(last)) < MOST_RATIO


def test_the_measurement_sees_a_naive_comparison() -> None:
    """Python's own stops at the first byte that differs."""

    def verify(delivery: Delivery) -> None:
        if delivery.header(b"x-misskey-hook-secret") != SECRET:
            raise VerificationError("wrong")

    first, last = wrong_at(0, SECRET, b"x"), wrong_at(-1, SECRET, b"x")
    assert least(verify, misskey(first), misskey(last)) > 2 * MOST_RATIO


def naive_comparisons(code: str) -> Iterator[str]:
    """Every comparison of a secret that isn't `hmac.compare_digest`."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Compare):
            sides = [side for side in (node.left, *node.comparators) if not _is_harmless(side)]
            names = {each.id for side in sides for each in ast.walk(side) if isinstance(each, ast.Name)}
            if names & COMPARED and not all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and node.attr in ("startswith", "endswith", "find", "index"):
            names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            yield from [ast.unparse(node)] if names & COMPARED else []


def _is_harmless(side: ast.expr) -> bool:
    """How many there are, and what a header is called, is no secret."""
    return isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "len"


@pytest.mark.parametrize("file", VERIFIERS, ids=lambda file: file.parent.name)
def test_only_compare_digest_compares_secrets(file: Path) -> None:
    """In every provider that comes with Hookline."""
    code = file.read_text(encoding="utf-8")
    assert list(naive_comparisons(code)) == []
    assert "hmac.compare_digest(" in code


@pytest.mark.parametrize(
    "naive",
    [
        "secret == sent",
        "value in accepted",
        "digest != candidate",
        "sent[:4] == key[:4]",
        "secret.startswith(sent)",
    ],
)
def test_the_reading_sees_a_naive_comparison(naive: str) -> None:
    """However it is written."""
    assert list(naive_comparisons(f"def verify(delivery):\n    return {naive}\n"))


def test_every_secret_is_tried() -> None:
    """Which of them fits shows neither: there is no way out of the loop before its end."""
    calls: list[bytes] = []

    def counting(compare: Callable[[bytes, bytes], bool]) -> Callable[[bytes, bytes], bool]:
        def count(one: bytes, other: bytes) -> bool:
            calls.append(other)
            return compare(one, other)

        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hmac, "compare_digest", counting(hmac.compare_digest))
        provider("misskey").verifier([b"one", b"two", b"three"])(misskey(b"one"))
    assert len(calls) == 3
