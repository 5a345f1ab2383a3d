"""What each Python peer's job parses the body into: a note's main fields, checked by pydantic in one pass.

Hookline reads more of a note than this (it keeps what it doesn't know, and takes the forms that older
senders use), so the peers have the lighter part here.
"""

from datetime import datetime

from pydantic import BaseModel


class User(BaseModel):
    """Who wrote it."""

    id: str
    username: str
    name: str | None = None
    host: str | None = None
    avatarUrl: str | None = None  # noqa: N815 (the sender's name)
    isBot: bool = False  # noqa: N815


class File(BaseModel):
    """A file that hangs on it."""

    id: str
    name: str
    type: str
    url: str
    size: int
    isSensitive: bool = False  # noqa: N815


class Note(BaseModel):
    """The note."""

    id: str
    createdAt: datetime  # noqa: N815
    user: User
    text: str | None = None
    cw: str | None = None
    visibility: str = "public"
    localOnly: bool = False  # noqa: N815
    reactions: dict[str, int] = {}
    renoteCount: int = 0  # noqa: N815
    repliesCount: int = 0  # noqa: N815
    files: list[File] = []


class Body(BaseModel):
    """What the envelope carries."""

    note: Note


class Delivery(BaseModel):
    """A whole delivery."""

    eventId: str  # noqa: N815
    type: str
    createdAt: int  # noqa: N815
    body: Body


def parse(raw_body: bytes | str) -> Delivery:
    """The delivery, read and checked."""
    return Delivery.model_validate_json(raw_body)
