"""What a row is given: the tools, the folder, the console, and how large to measure."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bench.contest import Findings, NotMeasuredError, Sample, Samples, in_turn
from bench.install import Tools
from bench.ours import NO_OP, Ours
from bench.redis_servers import Fsync, RedisServer

ROUNDS = 5
QUICK_ROUNDS = 2


def show_all(sample: Sample) -> str:
    """Every figure of a sample, on one line."""
    return "  ".join(f"{figure} [bold]{value:,.6g}[/]" for figure, value in sample.items())


@dataclass(frozen=True, slots=True)
class Bench:
    """One go of the bench."""

    tools: Tools
    folder: Path
    """Everything that is installed and written, `.bench`."""
    console: Console
    quick: bool = False

    @property
    def rounds(self) -> int:
        """How often each contestant is measured."""
        return QUICK_ROUNDS if self.quick else ROUNDS

    @property
    def wrk(self) -> Path:
        """The load generator."""
        if self.tools.wrk is None:
            raise NotMeasuredError(self.tools.missing["wrk"])
        return self.tools.wrk

    def size(self, full: int, quick: int) -> int:
        """How many: so many in full, and so many with `--quick`."""
        return quick if self.quick else full

    def folder_of_run(self, name: str) -> Path:
        """A new, empty folder; the caller removes it when it is large."""
        runs = self.folder / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=runs))

    def redis(self, fsync: Fsync = "everysec") -> RedisServer:
        """A fresh Redis, for `with`."""
        if self.tools.redis_server is None:
            raise NotMeasuredError("there is no redis-server")
        return RedisServer(self.tools.redis_server, self.folder_of_run("data"), fsync)

    def ours(self, redis: RedisServer, *, plugin: str = NO_OP, worker: str = "") -> Ours:
        """A Hookline installation over that Redis."""
        return Ours(self.folder_of_run("ours"), redis, plugin=plugin, worker=worker)

    def contest(
        self,
        findings: Findings,
        title: str,
        contestants: Mapping[str, Callable[[], Sample]],
        rounds: int | None = None,
        show: Callable[[Sample], str] = show_all,
    ) -> Samples:
        """Measure them in turn, tell each sample as it comes, and keep them all in the findings."""

        def tell(round_number: int, name: str, sample: Sample) -> None:
            self.console.print(f"  [dim]{title}, round {round_number}[/]  {name:37} {show(sample)}")

        missing: dict[str, str] = {}
        samples = in_turn(contestants, rounds or self.rounds, missing=missing, tell=tell)
        findings.samples[title] = samples
        for name, reason in missing.items():
            self.console.print(f"  [yellow]{name} is not measured:[/] {escape(reason)}")
        findings.missing.update(missing)
        return samples

    def clean(self) -> None:
        """Remove what the measurements wrote; what was installed stays for the next time."""
        shutil.rmtree(self.folder / "runs", ignore_errors=True)
