"""How a raw body becomes an event: whatever it holds, nothing but a ParseError comes out of here.

A ParseError's message says what is wrong and where, and quotes no values: they may be private.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails, from_json

from hookline.errors import ParseError
from hookline.events import Event

MAX_TYPE_CHARACTERS = 128  # a type becomes part of keys and metrics; the longest known one has 42
_PROBLEMS_TOLD = 3
_PLACE_CHARACTERS = 120

# Any escape in a JSON text; group 1 takes half of a surrogate pair whose other half is missing.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_JSON_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}

_Event = TypeVar("_Event", bound=Event)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; a byte order mark before it is passed over.

    Half a surrogate pair (a sender that cut a text in the middle of an emoji) becomes U+FFFD, as no
    other text could be stored or sent on. NaN, Infinity and nesting deeper than about 200 are refused.
    """
    text = body.removeprefix(codecs.BOM_UTF8)
    try:
        payload = _read_json(text)
    except ValueError as error:
        raise ParseError(f"the body is not readable as JSON: {error}") from None
    if not isinstance(payload, dict):
        raise ParseError(f"the body is {json_name(payload)}, not an object")
    return payload


def read_type(payload: dict[str, Any], key: str) -> str:
    """The sender's name for what happened, which stands under `key`."""
    if key not in payload:
        raise ParseError(f"{key}: is missing, so there is no telling what happened")
    value = payload[key]
    if not isinstance(value, str):
        raise ParseError(f"{key}: is {json_name(value)}, not a string")
    if not 0 < len(value) <= MAX_TYPE_CHARACTERS:
        raise ParseError(f"{key}: has {len(value)} characters; 1 to {MAX_TYPE_CHARACTERS} are accepted")
    if not value.isprintable():
        raise ParseError(f"{key}: holds characters that cannot be printed, and it is to be shown as a name")
    return value


def read_event(model: type[_Event], fields: dict[str, Any]) -> _Event:
    """The event that `fields` make."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        told = "; ".join(_explain(problem) for problem in problems[:_PROBLEMS_TOLD])
        more = f" (and {len(problems) - _PROBLEMS_TOLD} more)" if len(problems) > _PROBLEMS_TOLD else ""
        raise ParseError(f"{model.provider}.{model.kind}: {told}{more}") from None


def json_name(value: object) -> str:
    """What JSON calls a value of this type: "an object", "null"."""
    return _JSON_NAMES.get(type(value), "a number")


def _read_json(text: bytes) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        # Mended only here, as a search through every healthy body would cost more than reading it.
        mended = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], text)
        if mended == text:
            raise
        return from_json(mended, allow_inf_nan=False)


def _explain(problem: ErrorDetails) -> str:
    place = ".".join(str(part) for part in problem["loc"])[:_PLACE_CHARACTERS] or "the payload"
    if problem["type"] == "missing":
        return f"{place}: is missing"
    return f"{place}: {problem['msg']}, but it is {json_name(problem['input'])}"
