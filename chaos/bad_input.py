"""A million requests and payloads that nobody should send: `python -m chaos.bad_input --seed 3 --quick`.

Verifiers and parsers are tried in two processes, then a real receiver at its socket. A case is made of the
seed and its number alone, so that one which fails can be had again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from chaos import bad_headers, bad_payloads, bad_requests
from chaos.bad_sockets import SocketTally, run_sockets
from chaos.cases import Tally, Try, run_cases

PROCESSES = 2
FULL = {bad_headers.AREA: 600_000, bad_payloads.AREA: 350_000, bad_requests.AREA: 60_000}
QUICK = {bad_headers.AREA: 30_000, bad_payloads.AREA: 17_000, bad_requests.AREA: 3_500}
MOST_SECONDS = 2.0
"""Of CPU time for one body of 1 MiB at the most."""
MOST_GROWTH_MIB = 12
MOST_PEAK_MIB = 192
_SHARD = 10_000
_MIB = 1024 * 1024
_TRIES: dict[str, Try] = {bad_headers.AREA: bad_headers.try_case, bad_payloads.AREA: bad_payloads.try_case}


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of the report: what was measured and what it must be. `detail` is how to see a failure again."""

    row: str
    measured: str
    must_be: str
    met: bool
    detail: str = ""


def run(console: Console, *, seed: int, quick: bool) -> list[Finding]:
    """Try everything, and say how each part did."""
    counts = QUICK if quick else FULL
    tallies = {area: _in_processes(area, seed, counts[area]) for area in _TRIES}
    for area, tally in tallies.items():
        console.print(f"bad input: {tally.cases:,} cases at the {area}, {sum(tally.wrong.values())} wrong")
    sockets = run_sockets(seed, range(counts[bad_requests.AREA]))
    told = ", ".join(f"{count:,} × {status}" for status, count in sorted(sockets.statuses.items()))
    console.print(f"bad input: {sockets.cases:,} cases at the socket, answered {told}")
    verifiers, parsers = tallies[bad_headers.AREA], tallies[bad_payloads.AREA]
    total = verifiers.cases + parsers.cases + sockets.cases
    return [
        _at_least("bad input: cases in all", total, 50_000 if quick else 1_000_000),
        *_verifier_findings(verifiers),
        *_parser_findings(parsers),
        *_socket_findings(sockets),
    ]


def repeat(area: str, seed: int, index: int) -> Tally:
    """One case again."""
    if area == bad_requests.AREA:
        return run_sockets(seed, [index])
    return run_cases(area, seed, [index], _TRIES[area])


def _in_processes(area: str, seed: int, count: int) -> Tally:
    """In shards, so that both processes are busy to the end. Spawned: the caller may have threads."""
    total = Tally()
    shards = [(area, seed, start, min(start + _SHARD, count)) for start in range(0, count, _SHARD)]
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        for tally in pool.map(_shard, shards):
            total.add(tally)
    return total


def _shard(shard: tuple[str, int, int, int]) -> Tally:
    area, seed, start, end = shard
    return run_cases(area, seed, range(start, end), _TRIES[area])


def _verifier_findings(tally: Tally) -> Iterator[Finding]:
    yield _none("verifiers: forged deliveries accepted", tally, "forged")
    yield _none("verifiers: genuine deliveries refused", tally, "kept out")
    yield _none("verifiers: anything but accepted or VerificationError", tally, "error")
    yield _growth("verifiers: memory grew by", tally.growth_bytes)


def _parser_findings(tally: Tally) -> Iterator[Finding]:
    yield _none("parsers: anything but an event or ParseError", tally, "error")
    yield Finding(
        "parsers: longest case, CPU time",
        f"{tally.longest_seconds:.2f} s (case {tally.longest_index})",
        f"at most {MOST_SECONDS:.0f} s",
        tally.longest_seconds <= MOST_SECONDS,
    )
    peak = tally.peak_bytes // _MIB
    yield Finding(
        "parsers: memory at its peak", f"+{peak} MiB", f"at most +{MOST_PEAK_MIB} MiB", peak <= MOST_PEAK_MIB
    )


def _socket_findings(tally: SocketTally) -> Iterator[Finding]:
    yield _none("socket: answers that are not in the table", tally, "answer")
    yield _none("socket: requests neither answered nor ended", tally, "hang")
    yield _none("socket: forged deliveries accepted", tally, "forged")
    yield _none(f"socket: of {tally.genuine:,} genuine deliveries in between, refused", tally, "refused")
    yield _none("socket: mistakes in the receiver's log", tally, "complaint")
    yield Finding(
        "socket: the receiver's exit status",
        f"{tally.exit_status}",
        "0",
        tally.exit_status == 0 and "crash" not in tally.wrong,
    )
    yield _growth("socket: the receiver's memory grew by", tally.growth_bytes)


def _none(row: str, tally: Tally, kind: str) -> Finding:
    count = tally.wrong.get(kind, 0)
    first = next((failure for failure in tally.failures if failure.kind == kind), None)
    return Finding(row, f"{count} of {tally.cases:,}", "0", count == 0, first.told() if first else "")


def _growth(row: str, grown_bytes: int) -> Finding:
    grown = grown_bytes / _MIB
    return Finding(row, f"{grown:.1f} MiB", f"at most {MOST_GROWTH_MIB} MiB", grown <= MOST_GROWTH_MIB)


def _at_least(row: str, count: int, least: int) -> Finding:
    return Finding(row, f"{count:,}", f"at least {least:,}", count >= least)


def _print(console: Console, findings: list[Finding]) -> None:
    table = Table("", "measured", "must be", "")
    for each in findings:
        table.add_row(
            each.row, each.measured, each.must_be, "[green]met[/]" if each.met else "[red]NOT MET[/]"
        )
    console.print(table)
    for each in findings:
        if each.detail:
            console.print(f"{each.row}: {each.detail}", markup=False, highlight=False, soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos.bad_input")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="50,000 cases instead of a million")
    parser.add_argument("--area", choices=FULL, help="with --index: try this one case again")
    parser.add_argument("--index", type=int, default=0)
    return parser.parse_args()


def main() -> int:
    """0 when everything was met."""
    options, console = _options(), Console()
    if options.area:
        tally = repeat(options.area, options.seed, options.index)
        for failure in tally.failures:
            console.print(failure.told(), markup=False, highlight=False, soft_wrap=True)
        console.print(f"{options.area} {options.index}: {'wrong' if tally.wrong else 'as it should be'}")
        return 1 if tally.wrong else 0
    findings = run(console, seed=options.seed, quick=options.quick)
    _print(console, findings)
    return 0 if all(each.met for each in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
