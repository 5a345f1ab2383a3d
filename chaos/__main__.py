"""`python -m chaos`: break everything, many times, under load, and judge what became of what was promised."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.machine import describe
from chaos import bad_input, failover
from chaos.faults import BY_NAME
from chaos.findings import Findings
from chaos.isolation import enter_namespaces
from chaos.memory import growths
from chaos.plan import Plan, failover_plan, make_plan
from chaos.programs import collect_orphans
from chaos.single import break_everything
from chaos.soak import soak
from hookline.redis_server import find_server

FOLDER = Path(".chaos")
PATIENT_SECONDS = 60.0
"""How long the senders wait for an answer where nothing is judged by the clock."""
FAILOVERS = {kind.name for kind in failover.KINDS}


def main() -> int:
    """Run it; 0 when no row was found wanting, 1 otherwise."""
    options = _options()
    enter_namespaces()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    folder = options.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    findings = Findings(console, folder, options.results, is_timed=not options.untimed)
    try:
        asyncio.run(_bounded(_campaigns(console, folder, options, findings), options))
    finally:
        collect_orphans()
    if not options.only:
        console.rule("[bold]bad input")
        findings.add_bad_input(bad_input.run(console, seed=options.seed, quick=options.quick))
    return findings.report(_about(folder, options.seed, time.monotonic() - began))


def _options() -> argparse.Namespace:
    names = [*BY_NAME, *sorted(FAILOVERS)]
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument(
        "--quick", action="store_true", help="fewer events and shorter faults: under 3 minutes"
    )
    parser.add_argument(
        "--only", nargs="+", choices=names, default=(), metavar="FAULT", help=f"of {', '.join(names)}"
    )
    parser.add_argument(
        "--untimed", action="store_true", help="judge nothing by the clock: the machine is busy otherwise"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))  # noqa: S311 (any will do)
    parser.add_argument("--events", type=int, help="how many deliveries are sent")
    parser.add_argument("--results", type=Path, default=Path("chaos-results.json"))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="what is written meanwhile")
    return parser.parse_args()


async def _bounded(everything: Coroutine[None, None, None], options: argparse.Namespace) -> None:
    """Run it to its end, for so long at the most; SIGTERM ends it as Ctrl-C does."""
    task = asyncio.ensure_future(everything)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(sum(plan.most_seconds for plan in _plans(options))):
        await task


async def _campaigns(console: Console, folder: Path, options: argparse.Namespace, findings: Findings) -> None:
    """One campaign after the other, and a soak beside the first."""
    plan, second = _plans(options)
    if not FAILOVERS.issuperset(options.only) or not options.only:
        _announce(console, "faults", plan)
        soaking = None if plan.only else asyncio.create_task(soak(folder / "soak", plan.seconds, plan.seed))
        findings.add_campaign("", await break_everything(console, folder / "faults", plan))
        if soaking:
            findings.add_soak(growths((await soaking).samples), plan.seconds)
    if not options.only or FAILOVERS.intersection(options.only):
        _announce(console, "failover", second)
        findings.add_campaign("failover", await failover.fail_over(console, folder / "failover", second))


def _plans(options: argparse.Namespace) -> tuple[Plan, Plan]:
    only = [name for name in options.only if name in BY_NAME]
    plan = make_plan(seed=options.seed, events=options.events, is_quick=options.quick, only=only)
    second = failover_plan(seed=options.seed, is_quick=options.quick)
    if not options.untimed:
        return plan, second
    return replace(plan, answer_seconds=PATIENT_SECONDS), replace(second, answer_seconds=PATIENT_SECONDS)


def _announce(console: Console, name: str, plan: Plan) -> None:
    console.rule(
        f"[bold]{name}[/], seed {plan.seed}, {plan.events:,} events in {plan.seconds / 60:.1f} minutes"
    )


def _about(folder: Path, seed: int, seconds: float) -> dict[str, str]:
    return {
        "made at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": str(seed),
        "took": f"{seconds / 60:.1f} minutes",
        "redis": ".".join(map(str, find_server().version)),
        **describe(folder),
    }


if __name__ == "__main__":
    sys.exit(main())
