"""The short form of a million bad requests and payloads, and that the cases would find what they look for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from chaos import bad_headers, bad_payloads
from chaos.bad_requests import make
from chaos.bad_sockets import run_sockets
from chaos.cases import Failure, Tally, Try, case_random, run_cases
from chaos.genuine import ESA_SECRET, MISSKEY_SECRET, pool
from hookline.errors import VerificationError
from hookline.events import UnknownEvent
from hookline.providers import DedupeKey, Delivery, provider
from hookline.providers.esa import PROVIDER as ESA

SEED = 20260711
TRIES: dict[str, Try] = {"verifiers": bad_headers.try_case, "parsers": bad_payloads.try_case}


@pytest.mark.parametrize(("area", "count"), [("verifiers", 6_000), ("parsers", 3_000)])
def test_nothing_but_the_promised_comes_out(area: str, count: int) -> None:
    """Accepted or VerificationError, an event or ParseError; and a verdict that is right."""
    tally = run_cases(area, SEED, range(count), TRIES[area])
    assert [failure.told() for failure in tally.failures] == []
    assert tally.cases == count


def test_a_receiver_answers_whatever_comes_by_its_table() -> None:
    """And ends as it should afterwards."""
    tally = run_sockets(SEED, range(400))
    assert [failure.told() for failure in tally.failures] == []
    assert tally.wrong == {}
    assert tally.exit_status == 0
    assert {202, 400, 401, 404, 405} <= set(tally.statuses)


@pytest.mark.parametrize("case", [bad_headers.try_case, bad_payloads.try_case, lambda rng: make(rng).pieces])
def test_a_case_is_made_of_seed_and_number_alone(case: Callable[[Random], object]) -> None:
    """Or nobody could have it again."""
    once = [case(case_random("any", SEED, index)) for index in range(50)]
    again = [case(case_random("any", SEED, index)) for index in reversed(range(50))]
    assert once == again[::-1]


def refuse(delivery: Delivery) -> None:
    """A verifier that lets nobody in."""
    raise VerificationError("never")


def stumble(delivery: Delivery) -> None:
    """A verifier that raises something else."""
    raise UnicodeDecodeError("ascii", b"\xe9", 0, 1, "ordinal not in range")


@pytest.mark.parametrize("name", ["misskey", "esa"])
@pytest.mark.parametrize(
    ("verify", "kind"), [(lambda delivery: None, "forged"), (refuse, "kept out"), (stumble, "error")]
)
def test_a_bad_verifier_is_found(name: str, verify: Callable[[Delivery], None], kind: str) -> None:
    """Whichever way it is bad."""
    secret = {"misskey": MISSKEY_SECRET, "esa": ESA_SECRET}[name]
    source = bad_headers.Source(name, (secret,), (), verify)
    genuine = pool(name, secret)[0].delivery
    forged = pool(name, b"another-secret")[0].delivery
    found = {bad_headers.judge(source, delivery)[0] for delivery in (genuine, forged)} - {""}
    assert found == {kind}


def test_the_real_verifiers_are_not() -> None:
    """Of the same two deliveries."""
    for name, secret in (("misskey", MISSKEY_SECRET), ("esa", ESA_SECRET)):
        source = bad_headers.Source(name, (secret,), (), provider(name).verifier([secret]))
        for each in (secret, b"another-secret"):
            assert bad_headers.judge(source, pool(name, each)[0].delivery) == ("", "")


class Careless(type(ESA)):  # type: ignore[misc]
    """A provider whose parser does what the delivery's body says."""

    def parse(self, delivery: Delivery) -> UnknownEvent:
        """Raise, or make an event that nobody can show."""
        if delivery.body == b"raise":
            raise RecursionError("maximum recursion depth exceeded")
        return UnknownEvent(type="esa.\x1b[2J", data={})

    def dedupe_key(self, delivery: Delivery) -> DedupeKey:
        """The body itself."""
        return DedupeKey(delivery.body.decode("latin-1"))


@pytest.mark.parametrize(
    ("body", "problem"), [(b"raise", "RecursionError"), (b"show", "printed"), (b"k" * 1000, "dedupe key")]
)
def test_a_bad_parser_is_found(body: bytes, problem: str) -> None:
    """By what it raises, what it makes, or the key it gives."""
    assert problem in bad_payloads.judge(Careless(), Delivery([], body))


def test_a_failure_says_how_to_have_it_again() -> None:
    """With the bytes, however many there are."""
    tally = Tally()
    for index in range(20):
        tally.fail(Failure("parsers", 3, index, "error", "raised", b"\x1b" * 10_000))
    assert tally.wrong == {"error": 20}
    told = tally.failures[0].told()
    assert "python -m chaos.bad_input --seed 3 --area parsers --index 0" in told
    assert "6000 bytes more" in told
    assert "\x1b" not in told
