"""`hookline tail`: events as they come and as they end, until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import typer
from rich.console import Console

from hookline.cli.events import ActionOption, SourceOption, StateOption, TextOption, TypeOption, open_store
from hookline.cli.following import Follower
from hookline.cli.lines import event_line
from hookline.cli.options import AsJson, Config
from hookline.index import Filter
from hookline.live import Live, Seen
from hookline.printable import json_line

LOOK_SECONDS = 0.5


def tail(
    source: SourceOption = None,
    type: TypeOption = None,  # noqa: A002 (the option's name)
    state: StateOption = None,
    action: ActionOption = None,
    text: TextOption = None,
    json_: AsJson = False,
    config: Config = None,
) -> None:
    """Print events as they come, change and end, until Ctrl-C."""
    live = Live(open_store(config), Filter(source, type, state, action=action, text=text))
    follower = Follower(live, Console(stderr=True))
    console = Console()
    changed = live.look()  # where Redis isn't there from the start, the command ends and says so
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for seen in changed:
                if json_:
                    typer.echo(json_line(_row(seen)))
                else:
                    console.print(event_line(seen), soft_wrap=True)
            time.sleep(LOOK_SECONDS)
            changed = follower.look()


def _row(seen: Seen) -> dict[str, Any]:
    return {
        "id": seen.id,
        "source": seen.source,
        "type": seen.type,
        "state": seen.state,
        "received_at_ms": seen.received_at_ms,
        "repeats": seen.repeats,
        "replays": seen.replays,
        "error": seen.error,
        "runs": {name: json.loads(run.to_json()) for name, run in seen.runs.items()},
    }
