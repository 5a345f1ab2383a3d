"""Misskey's events, one class for each type that any version or fork is known to send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from hookline.events import Event
from hookline.providers.misskey.models import NoteContent, RemainingTime, Report, User


def _from_milliseconds(value: Any) -> Any:
    """Pydantic alone would take a small number for seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value / 1000, UTC)
        except (OverflowError, ValueError, OSError):
            raise ValueError("is a number of milliseconds beyond any date") from None
    return value


class MisskeyEvent(Event):
    """What every Misskey event carries, as far as the sender's version has it.

    12.109 sent none of it, later versions before 2023.9.0 no `server`, system webhooks have no `user_id`.
    """

    model_config = ConfigDict(alias_generator=to_camel)

    provider = "misskey"
    subject: ClassVar[str | None] = None
    """The field that the whole body is, where it isn't inside the body: some types, old test-sends."""

    server: str | None = None
    """`https://` and the sending server's host; from the request's header where the payload lacks it."""
    hook_id: str | None = None
    user_id: str | None = None
    """The owner of the webhook."""
    event_id: str | None = None
    """The same on every retry, different for each webhook that the event is sent to."""
    sent_at: Annotated[datetime | None, BeforeValidator(_from_milliseconds)] = Field(
        default=None, alias="createdAt"
    )
    """When the server queued the delivery; the only order there is between events."""

    def url_of(self, subject: NoteContent | User) -> str | None:
        """The page of a note or user on the sending server, or None where that server isn't known."""
        if not self.server:
            return None
        path = f"@{subject.acct}" if isinstance(subject, User) else f"notes/{subject.id}"
        return f"{self.server.rstrip('/')}/{path}"


class NoteEvent(MisskeyEvent):
    """An event about a note: `event.note`, written by `event.user`."""

    subject = "note"
    note: NoteContent

    @property
    def user(self) -> User:
        """Who wrote the note."""
        return self.note.user

    @property
    def note_url(self) -> str | None:
        """The note's page on the sending server, also for a note of another server."""
        return self.url_of(self.note)

    @property
    def user_url(self) -> str | None:
        """Its writer's profile on the sending server."""
        return self.url_of(self.note.user)


class UserEvent(MisskeyEvent):
    """An event about another user: `event.user`."""

    subject = "user"
    user: User

    @property
    def user_url(self) -> str | None:
        """The user's profile on the sending server."""
        return self.url_of(self.user)


class Note(NoteEvent):
    """The webhook's owner posted a note, reply, renote or quote. Forks send it again when it is edited."""

    kind = "note"


class Reply(NoteEvent):
    """Somebody, or the owner, replied to a note of the owner. The same note may come as a Mention as well."""

    kind = "reply"


class Renote(NoteEvent):
    """Somebody renoted or quoted a note of the owner: `note.is_quote` tells which."""

    kind = "renote"


class Mention(NoteEvent):
    """The owner is mentioned, replied to by another, or addressed by a direct note."""

    kind = "mention"


class Edited(NoteEvent):
    """A note was edited. Sharkey's test button sends it; its real edits come as Note."""

    kind = "edited"


class Reaction(MisskeyEvent):
    """A note got a reaction. Selectable in Misskey, but no version is known to send it: all is optional."""

    kind = "reaction"
    note: NoteContent | None = None
    user: User | None = None
    reaction: str | None = None


class Follow(UserEvent):
    """The owner follows `user` now."""

    kind = "follow"


class Followed(UserEvent):
    """`user` follows the owner now."""

    kind = "followed"


class Unfollow(UserEvent):
    """The owner no longer follows `user`, perhaps because `user` ended it."""

    kind = "unfollow"


class UserCreated(UserEvent):
    """System webhook: somebody signed up."""

    kind = "user_created"


class ReportEvent(MisskeyEvent):
    """An event about a report of abuse: `event.report`."""

    subject = "report"
    report: Report


class AbuseReport(ReportEvent):
    """System webhook: somebody reported a user."""

    kind = "abuse_report"


class AbuseReportResolved(ReportEvent):
    """System webhook: a moderator resolved a report."""

    kind = "abuse_report_resolved"


class InactiveModeratorsWarning(MisskeyEvent):
    """System webhook: no moderator was active for long, and sign-up will be by invitation only."""

    kind = "inactive_moderators_warning"
    remaining_time: RemainingTime | None = None


class InactiveModeratorsInvitationOnlyChanged(MisskeyEvent):
    """System webhook: no moderator was active, so sign-up is by invitation only from now on."""

    kind = "inactive_moderators_invitation_only_changed"


class InactiveModeratorsDisablePublicNoteChanged(MisskeyEvent):
    """System webhook of CherryPick and yojo-art: no moderator was active, so public notes are disabled."""

    kind = "inactive_moderators_disable_public_note_changed"


class AnyReportEvent(MisskeyEvent):
    """MisskeyIO's events about reports, of whose body little is known."""

    subject = "report"
    report: Report | None = None
    resolver: dict[str, Any] | None = None
    """The rule that resolved the report by itself."""


class ReportCreated(AnyReportEvent):
    """MisskeyIO: somebody reported a user."""

    kind = "report_created"


class ReportResolved(AnyReportEvent):
    """MisskeyIO: a moderator resolved a report."""

    kind = "report_resolved"


class ReportAutoResolved(AnyReportEvent):
    """MisskeyIO: a rule resolved a report by itself."""

    kind = "report_auto_resolved"


EVENTS: tuple[type[MisskeyEvent], ...] = (
    Note,
    Reply,
    Renote,
    Mention,
    Edited,
    Reaction,
    Follow,
    Followed,
    Unfollow,
    UserCreated,
    AbuseReport,
    AbuseReportResolved,
    InactiveModeratorsWarning,
    InactiveModeratorsInvitationOnlyChanged,
    InactiveModeratorsDisablePublicNoteChanged,
    ReportCreated,
    ReportResolved,
    ReportAutoResolved,
)
