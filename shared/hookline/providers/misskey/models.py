"""The parts that Misskey's events are made of: the fields that any version or fork sends, the rest kept.

What a sender leaves out is its field's default, and so is null. Forks and newer versions send more:
`model_extra` has it, under the sender's own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from hookline.events import OrDefault, Payload, Several


def _emoji_map(value: Any) -> Any:
    """Misskey 12 sent `[{"name": …, "url": …}]` where later versions send `{name: url}`."""
    if isinstance(value, list):
        pairs = (item for item in value if isinstance(item, dict))
        return {item["name"]: item.get("url") for item in pairs if isinstance(item.get("name"), str)}
    return value


EmojiMap = Annotated[OrDefault[dict[str, str | None]], BeforeValidator(_emoji_map)]


class MisskeyPayload(Payload):
    """A part of a Misskey payload: camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel)


class User(MisskeyPayload):
    """An account. The long form, of follow and unfollow, fills the second half of the fields.

    `model_extra` may hold what only the webhook's owner or a moderator sees (`memo`, `moderationNote`).
    """

    id: str
    username: str
    host: str | None = None
    """None for an account of the sending server."""
    name: str | None = None
    avatar_url: str | None = None
    is_bot: OrDefault[bool] = False
    is_cat: OrDefault[bool] = False
    online_status: str | None = None
    emojis: EmojiMap = Field(default_factory=dict)

    created_at: datetime | None = None
    url: str | None = None
    uri: str | None = None
    description: str | None = None
    location: str | None = None
    is_locked: OrDefault[bool] = False
    followers_count: int | None = None
    following_count: int | None = None
    notes_count: int | None = None

    @property
    def acct(self) -> str:
        """`username`, or `username@host` for an account of another server."""
        return f"{self.username}@{self.host}" if self.host else self.username

    @property
    def display_name(self) -> str:
        """The name that people see: the user name where no other is set."""
        return self.name or self.username


class DriveFile(MisskeyPayload):
    """A file attached to a note. `name` is whatever its owner called it; never use it as a path."""

    id: str
    name: str | None = None
    type: str | None = None
    """The media type: `image/webp`."""
    url: str | None = None
    thumbnail_url: str | None = None
    size: int | None = None
    md5: str | None = None
    comment: str | None = None
    """The description for those who don't see the image."""
    is_sensitive: OrDefault[bool] = False


class PollChoice(MisskeyPayload):
    """One answer of a poll."""

    text: OrDefault[str] = ""
    votes: OrDefault[int] = 0
    is_voted: OrDefault[bool] = False


class Poll(MisskeyPayload):
    """A note's poll."""

    choices: OrDefault[Several[PollChoice]] = ()
    multiple: OrDefault[bool] = False
    expires_at: datetime | None = None


class Channel(MisskeyPayload):
    """The channel that a note was posted in."""

    id: str
    name: str | None = None
    is_sensitive: OrDefault[bool] = False


class NoteContent(MisskeyPayload):
    """A note: the one that an event is about, or one that it replies to, renotes or quotes.

    Since Misskey 2023.10.2 the full text of followers-only and direct notes is sent, also of other
    people's notes inside this one: see `is_entirely_public` before passing it on.
    """

    id: str
    user: User
    text: str | None = None
    """None for a pure renote, a note of files or a poll alone, and one hidden from the receiver."""
    cw: str | None = None
    """The content warning that the text is folded under."""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    """Set by forks whose notes can be edited: they send the edited note again, with the same id."""
    visibility: str | None = None
    """`public`, `home`, `followers` or `specified`; forks have more."""
    local_only: OrDefault[bool] = False
    is_hidden: OrDefault[bool] = False
    reply_id: str | None = None
    reply: NoteContent | None = None
    """None also where the original is deleted: `reply_id` is set all the same."""
    renote_id: str | None = None
    renote: NoteContent | None = None
    """What is renoted or quoted; None also where it is deleted: `renote_id` is set all the same."""
    mentions: OrDefault[Several[str]] = ()
    visible_user_ids: OrDefault[Several[str]] = ()
    file_ids: OrDefault[Several[str]] = ()
    files: OrDefault[Several[DriveFile]] = ()
    tags: OrDefault[Several[str]] = ()
    poll: Poll | None = None
    has_poll: OrDefault[bool] = False
    channel_id: str | None = None
    channel: Channel | None = None
    emojis: EmojiMap = Field(default_factory=dict)
    reactions: OrDefault[dict[str, int]] = Field(default_factory=dict)
    renote_count: OrDefault[int] = 0
    replies_count: OrDefault[int] = 0
    uri: str | None = None
    """The note's ActivityPub id, for a note of another server."""
    url: str | None = None
    """The note's page on its own server, for a note of another server."""

    @property
    def is_reply(self) -> bool:
        """Whether it answers a note, which may be one of the same user."""
        return self.reply_id is not None or self.reply is not None

    @property
    def is_pure_renote(self) -> bool:
        """Whether it passes another note on and adds nothing of its own."""
        return self._renotes and not self._adds_something

    @property
    def is_quote(self) -> bool:
        """Whether it passes another note on and adds something: text, warning, files, poll or a reply."""
        return self._renotes and self._adds_something

    @property
    def is_public(self) -> bool:
        """Whether this note itself is for everybody (a note for its own server alone is: `local_only`)."""
        return self.visibility == "public" and not self.is_hidden

    @property
    def is_entirely_public(self) -> bool:
        """Whether all of it may be shown anywhere: it and every note inside it is public, and none local."""
        return all(note.is_public and not note.local_only for note in self._with_nested())

    @property
    def has_sensitive_files(self) -> bool:
        """Whether any of its own files is marked sensitive."""
        return any(file.is_sensitive for file in self.files)

    @property
    def _renotes(self) -> bool:
        return self.renote_id is not None or self.renote is not None

    @property
    def _adds_something(self) -> bool:
        has_text = self.text is not None or self.cw is not None
        return has_text or self.is_reply or bool(self.files or self.file_ids or self.poll or self.has_poll)

    def _with_nested(self) -> Iterator[NoteContent]:
        waiting: list[NoteContent] = [self]
        while waiting:
            note = waiting.pop()
            yield note
            waiting.extend(nested for nested in (note.reply, note.renote) if nested)


class Report(MisskeyPayload):
    """A report of abuse. The users themselves are sent since Misskey 2024.10.0; before that their ids."""

    id: str
    target_user_id: str | None = None
    target_user_host: str | None = None
    target_user: User | None = None
    reporter_id: str | None = None
    reporter_host: str | None = None
    reporter: User | None = None
    assignee_id: str | None = None
    assignee: User | None = None
    resolved: OrDefault[bool] = False
    forwarded: OrDefault[bool] = False
    comment: OrDefault[str] = ""
    moderation_note: OrDefault[str] = ""
    resolved_as: str | None = None
    """`accept`, `reject`, or None."""


class RemainingTime(MisskeyPayload):
    """How long until the server closes its sign-up for want of an active moderator."""

    time_ms: float | None = Field(default=None, alias="time")
    as_hours: int | None = None
    as_days: int | None = None
