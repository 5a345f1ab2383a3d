"""What the actions told of themselves, read as it grows."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from chaos.records import Execution, Kill


class Witness:
    """The executions so far, in the order of their beginning, and the processes that an action killed.

    A line is `begin|end|kill`, key, event, action, attempt, pid, parent's pid, wall time, monotonic time,
    outcome. Each was one write, so a process that dies leaves a whole line or none.
    """

    def __init__(self, file: Path) -> None:
        self._file, self._offset = file, 0
        self._open: dict[tuple[str, str, str], Execution] = {}
        self.executions: list[Execution] = []
        self.runs: dict[tuple[str, str], list[Execution]] = defaultdict(list)
        """The same, by event and action."""
        self.kills: list[Kill] = []

    def read(self) -> None:
        """Take in what was told since the last time."""
        if not self._file.exists():
            return
        with self._file.open("rb") as file:
            file.seek(self._offset)
            told, _, _ = file.read().rpartition(b"\n")
        self._offset += len(told) + 1 if told else 0
        for line in told.decode("ascii").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        what, key, event_id, action, attempt, pid, _parent, _wall, at, outcome = line.split(" ")
        run = (key, attempt, pid)
        if what == "begin":
            execution = Execution(key, event_id, action, int(attempt), int(pid), float(at))
            self._open[run] = execution
            self.executions.append(execution)
            self.runs[event_id, action].append(execution)
        elif what == "kill":
            self.kills.append(Kill(int(pid), float(at), "its own action"))
        elif run in self._open:
            execution = self._open.pop(run)
            execution.ended, execution.outcome = float(at), outcome
