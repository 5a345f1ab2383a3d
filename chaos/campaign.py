"""A campaign: a steady load on a pipeline, fault after fault, and everything that is seen of it."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from chaos.backlog import waiting
from chaos.deliveries import deliveries
from chaos.faults import FaultKind
from chaos.killing import replace_the_dead
from chaos.ledger import is_quiet, read_ledger
from chaos.plan import Plan
from chaos.records import Fault, Records
from chaos.scene import Scene
from chaos.senders import Senders
from chaos.spooled import count_spooled
from chaos.witness import Witness
from chaos.writes import keep_writing

QUIET_SECONDS = 90
"""How long after the last delivery everything must be finished; what isn't counts as lost."""
_LOOK_SECONDS = 0.5
_RECENT_SECONDS = 60.0


class Campaign:
    """`run` gives the records; what it does is told line by line on the console."""

    def __init__(self, console: Console, plan: Plan, scene: Scene, kinds: Sequence[FaultKind]) -> None:
        self._console, self._plan, self._scene, self._kinds = console, plan, scene, kinds
        self._witness = Witness(scene.pipeline.witness)
        self.records = Records(kills=scene.kills)

    async def run(self) -> Records:
        """The load with its faults, the end of all work, and what the ledger says then."""
        await self._load()
        await self._until_quiet()
        await self._scene.pipeline.stop_workers()
        self._witness.read()
        self.records.executions = self._witness.executions
        self.records.kills += self._witness.kills
        self.records.spooled = count_spooled(self._scene.pipeline.spool)
        with self._scene.reader() as client:
            self.records.stored = read_ledger(client)
        return self.records

    async def _load(self) -> None:
        """Deliveries at a steady rate, and the faults while they last."""
        plan, records = self._plan, self.records
        records.began = time.monotonic()
        senders = Senders(self._scene.pipeline.url, plan.seed, records.answers, plan.answer_seconds)
        over = asyncio.Event()
        writing = keep_writing(self._scene.writer(), records.writes, over, replicas=self._scene.replicas)
        probe = asyncio.create_task(writing)
        load = asyncio.create_task(senders.send(deliveries(plan.events, plan.seed), plan.rate_per_second))
        try:
            await asyncio.sleep(plan.warm_up_seconds)
            for number, kind in enumerate(plan.kinds(self._usable())):
                is_over = load.done() or self._elapsed() > plan.seconds - plan.last_seconds
                if is_over and number >= len(plan.only):  # what was asked for by name is had once
                    break
                await self._one(number, kind)
            await load
        finally:
            over.set()
            load.cancel()
            await asyncio.gather(load, probe, return_exceptions=True)
        records.ended = time.monotonic()

    def _usable(self) -> list[FaultKind]:
        """The faults that can be had here; why the others can't is noted."""
        reasons = {kind.name: kind.why_not(self._scene) for kind in self._kinds}
        self.records.skipped = {name: reason for name, reason in reasons.items() if reason}
        return [kind for kind in self._kinds if not reasons[kind.name]]

    async def _one(self, number: int, kind: FaultKind) -> None:
        scene = self._scene
        scene.random = random.Random(f"{self._plan.seed}:{number}:{kind.name}")  # noqa: S311 (victims)
        began = time.monotonic()
        note = await kind.cause(scene)
        ended = time.monotonic()
        self.records.faults.append(Fault(kind.name, self._plan.seed, began, ended, note))
        self._say(f"{kind.name}: {ended - began:.1f} s {note}")
        await replace_the_dead(scene)
        await asyncio.sleep(scene.random.uniform(*self._plan.gap_seconds))
        await self._until_settled(ended)

    async def _until_settled(self, moment: float) -> None:
        """Until what had been accepted by this moment is in somebody's hands: so faults are told apart."""
        until = time.monotonic() + self._plan.settle_seconds
        while time.monotonic() < until:
            if not any(math.isinf(at) for at in self._waiting(moment)):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    def _waiting(self, moment: float) -> list[float]:
        self._witness.read()
        recent = [answer for answer in self.records.answers if answer.ended > moment - _RECENT_SECONDS]
        return waiting(moment, recent, self._witness.runs, [*self.records.kills, *self._witness.kills])

    async def _until_quiet(self) -> None:
        """Until every stored event is finished."""
        with self._scene.reader() as client:
            for _ in range(QUIET_SECONDS):
                if await asyncio.to_thread(is_quiet, client):
                    break
                await asyncio.sleep(1.0)
        self._say(f"quiet after {time.monotonic() - self.records.ended:.1f} s")

    def _elapsed(self) -> float:
        return time.monotonic() - self.records.began

    def _say(self, text: str) -> None:
        self._console.print(f"[dim]{self._elapsed():6.1f} s[/] {escape(text)}")
