"""What a list of events is asked for, as it stands in the address of the page, so that it can be shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlencode

from hookline.errors import HooklineError
from hookline.index import Filter
from hookline.moments import moment_ms

STATES = ("queued", "running", "retrying", "paused", "done", "dead")


@dataclass(frozen=True, slots=True)
class Query:
    """The form's fields as they were typed, outer white space aside; empty ones ask for nothing."""

    source: str = ""
    type: str = ""
    state: str = ""
    action: str = ""
    since: str = ""
    until: str = ""
    id: str = ""
    text: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Query:
        """The query of an address."""
        return cls(**{each.name: given.get(each.name, "").strip() for each in fields(cls)})

    @property
    def is_empty(self) -> bool:
        """Whether it asks for every event."""
        return self == Query()

    def encoded(self, **more: str) -> str:
        """As it stands in an address, with these parameters beside it."""
        return urlencode({name: value for name, value in {**asdict(self), **more}.items() if value})

    def href(self, path: str, **more: str) -> str:
        """The address of the list that this query finds, with these parameters beside it."""
        encoded = self.encoded(**more)
        return f"{path}?{encoded}" if encoded else path


def wanted(query: Query) -> tuple[Filter, dict[str, str]]:
    """What to look for, and what is wrong with which field; such a field is left out."""
    found: dict[str, Any] = {
        name: getattr(query, name) or None for name in ("source", "type", "action", "id", "text")
    }
    problems: dict[str, str] = {}
    if query.state in ("", *STATES):
        found["state"] = query.state or None
    else:
        problems["state"] = f"{query.state!r} is no state; there are {', '.join(STATES)}"
    for name in ("since", "until"):
        try:
            found[f"{name}_ms"] = moment_ms(getattr(query, name) or None)
        except HooklineError as error:
            problems[name] = str(error)
    return Filter(**found), problems
