"""The typed event that actions are given, read anew from the stored delivery as a worker reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from markupsafe import Markup

from hookline.errors import HooklineError
from hookline.events import AnyEvent, UnknownEvent
from hookline.stored import stored_event
from hookline_console.bodies import READ_MOST_BYTES, SHOWN_CHARACTERS
from hookline_console.json_html import json_html


@dataclass(frozen=True, slots=True)
class Typed:
    """What an action would be given."""

    name: str
    """The class, as an author imports it: `misskey.Mention`. Empty where there is no event."""
    html: Markup
    """Its fields, under the names that the author writes."""
    is_cut: bool = False
    error: str = ""
    """Why there is no event."""


def typed(fields: dict[str, bytes]) -> Typed:
    """The event of these fields, or why they make none."""
    if len(fields["body"]) > READ_MOST_BYTES:
        return Typed(
            "", Markup(), error=f"its body is larger than the {READ_MOST_BYTES} bytes read for a page"
        )
    try:
        event = stored_event(fields)
        # by_alias: the sender's own names are in the body already; here it is what an author writes
        shown = json.dumps(event.model_dump(mode="json", by_alias=False), ensure_ascii=False)
    except HooklineError as error:
        return Typed("", Markup(), error=str(error))
    except Exception as error:  # foreign: the provider may come from any package, the fields from any version
        return Typed("", Markup(), error=f"it cannot be read: {type(error).__name__}: {error}")
    html, is_cut = json_html(shown, SHOWN_CHARACTERS)
    return Typed(_name(event, fields["provider"].decode()), html, is_cut)


def _name(event: AnyEvent, provider_name: str) -> str:
    name = type(event).__name__
    return name if isinstance(event, UnknownEvent) else f"{provider_name}.{name}"
