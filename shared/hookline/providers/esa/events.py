"""esa's events, one class for each kind that is known to be sent."""

from __future__ import annotations

from typing import Any

from pydantic import model_validator

from hookline.events import Event, OrDefault
from hookline.providers.esa.models import Comment, Post, PostSummary, Sharing, Team, User, comment_id


class EsaEvent(Event):
    """What every esa event carries. esa sends neither a time nor an id of the event."""

    provider = "esa"

    team: OrDefault[Team] = Team()
    user: OrDefault[User] = User()


class AnyPostEvent(EsaEvent):
    """An event about a post that may be gone: `event.post`."""

    post: PostSummary

    @property
    def post_url(self) -> str | None:
        """The post's page; None where neither its URL nor its team and number are known."""
        if self.post.url:
            return self.post.url.partition("#")[0]
        if not self.team.name or self.post.number is None:
            return None
        return f"https://{self.team.name}.esa.io/posts/{self.post.number}"


class PostEvent(AnyPostEvent):
    """An event about a post: `event.post`, saved by `event.user`."""

    post: Post


class PostCreate(PostEvent):
    """A post was made ready (ShipIt) at once. One that was a draft (WIP) before comes as PostUpdate."""

    kind = "post_create"


class PostUpdate(PostEvent):
    """A post was saved, or a draft made ready. `post.wip` tells whether it is a draft still."""

    kind = "post_update"


class PostArchive(PostEvent):
    """A post was moved to the category `Archived`."""

    kind = "post_archive"


class PostRestore(PostEvent):
    """A post came back."""

    kind = "post_restore"


class PostDelete(AnyPostEvent):
    """A post was deleted. Its name, number and state are all that is sent of it."""

    kind = "post_delete"


class CommentCreate(PostEvent):
    """`event.user` commented on `event.post`."""

    kind = "comment_create"
    comment: Comment

    @property
    def comment_url(self) -> str | None:
        """The comment's place on the post's page, which esa sends as the post's URL."""
        return self.post.url

    @model_validator(mode="before")
    @classmethod
    def _take_comment_id(cls, fields: Any) -> Any:
        """`comment.id` from the post's URL, where esa sends no other."""
        match fields:
            case {"post": {"url": url}, "comment": {**comment}} if comment.get("id") is None:
                return {**fields, "comment": {**comment, "id": comment_id(url)}}
        return fields


class MemberJoin(EsaEvent):
    """`event.user` joined `event.team`."""

    kind = "member_join"


class SharingEvent(PostEvent):
    """An event about a post's page for readers outside the team. What is sent isn't documented."""

    post: OrDefault[Post] = Post()
    sharing: OrDefault[Sharing] = Sharing()


class PostStartSharing(SharingEvent):
    """A post may be read by anybody who has `sharing.url`."""

    kind = "post_start_sharing"


class PostStopSharing(SharingEvent):
    """A post may no longer be read from outside."""

    kind = "post_stop_sharing"


EVENTS: tuple[type[EsaEvent], ...] = (
    PostCreate,
    PostUpdate,
    PostArchive,
    PostDelete,
    PostRestore,
    CommentCreate,
    MemberJoin,
    PostStartSharing,
    PostStopSharing,
)
