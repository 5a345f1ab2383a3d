"""Append every event of every source to a file, as a line of JSON.

[plugins.journal]
file = "/srv/journal.jsonl"
"""

import json
from pathlib import Path

from hookline import AnyEvent, Context, action


@action("*")
def append(event: AnyEvent, ctx: Context) -> None:
    """Add a line. An event can be here twice, after a crash or a replay: `id` is the same on both lines."""
    file = Path(ctx.settings.get("file", ".hookline/demo/journal.jsonl"))
    line = {
        "id": ctx.event_id,
        "source": ctx.source,
        "received_at": ctx.received_at.isoformat(),
        "type": event.type,
        "event": event.model_dump(mode="json"),
    }
    text = json.dumps(line, ensure_ascii=False) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as journal:  # one write of a whole line: other processes append to the file, too
        journal.write(text.encode("utf-8", "backslashreplace"))
