"""What happened, once, however many deliveries it took: the base of every typed event."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast
from pydantic_core import PydanticUseDefault

_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_Value = TypeVar("_Value")


def snake_case(name: str) -> str:
    """`abuseReport` → `abuse_report`: how a sender's type is written in an event's name."""
    return _CAMEL_BOUNDARY.sub("_", name).lower()


def _refuse_null(value: Any) -> Any:
    if value is None:
        raise PydanticUseDefault
    return value


OrDefault = Annotated[_Value, BeforeValidator(_refuse_null)]
"""A field whose default also stands in for null: `files: OrDefault[Several[File]] = ()`."""

Several = Annotated[tuple[_Value, ...], FailFast()]
"""Any number of these. The first bad one ends the reading, as a small body can hold a million."""


class Payload(BaseModel):
    """A part of a sender's payload: snake_case fields, unknown ones kept.

    It is frozen, because several actions are given the same event at the same time.
    """

    model_config = ConfigDict(
        extra="allow",
        frozen=True,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        coerce_numbers_to_str=True,
    )


class Event(Payload):
    """What happened. `type` is its full name, `provider.kind` in snake_case: `misskey.mention`.

    Unknown fields are kept, under the sender's own names, in `model_extra`.
    """

    provider: ClassVar[str]
    kind: ClassVar[str]

    @property
    def type(self) -> str:
        """The event's full name, which patterns such as `"misskey.*"` match."""
        return f"{self.provider}.{self.kind}"


class UnknownEvent(BaseModel):
    """An event of a type that no model knows; actions can still match it by its name.

    `type` is its full name (`misskey.something_new`), `data` the whole payload as sent.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    data: dict[str, Any]


AnyEvent = Event | UnknownEvent
