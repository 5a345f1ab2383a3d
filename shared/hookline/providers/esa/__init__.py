"""esa.io's webhooks: the events that an action can ask for, and the parts that they are made of."""

from hookline.providers.esa.events import (
    CommentCreate,
    EsaEvent,
    MemberJoin,
    PostArchive,
    PostCreate,
    PostDelete,
    PostEvent,
    PostRestore,
    PostStartSharing,
    PostStopSharing,
    PostUpdate,
    SharingEvent,
)
from hookline.providers.esa.models import Comment, Icon, Post, PostSummary, Sharing, Team, User
from hookline.providers.esa.provider import PROVIDER

__all__ = [
    "PROVIDER",
    "Comment",
    "CommentCreate",
    "EsaEvent",
    "Icon",
    "MemberJoin",
    "Post",
    "PostArchive",
    "PostCreate",
    "PostDelete",
    "PostEvent",
    "PostRestore",
    "PostStartSharing",
    "PostStopSharing",
    "PostSummary",
    "PostUpdate",
    "Sharing",
    "SharingEvent",
    "Team",
    "User",
]
