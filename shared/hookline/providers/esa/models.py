"""The parts that esa's events are made of. What esa leaves out is its field's default, and so is null."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

from hookline.events import OrDefault, Payload

_TAG = re.compile(r"#.")
_COMMENT_FRAGMENT = re.compile(r"#comment-([0-9]{1,18})\Z")


class Team(Payload):
    """The team, by its sub-domain of esa.io."""

    name: OrDefault[str] = ""


class Icon(Payload):
    """A member's picture; the sizes (`thumb_s` and so on) are in `model_extra`, each `{"url": …}`."""

    url: str | None = None


class User(Payload):
    """Who did it. In a comment's event that is who commented; who wrote the post isn't sent."""

    name: OrDefault[str] = ""
    screen_name: OrDefault[str] = ""
    icon: OrDefault[Icon] = Icon()


class PostSummary(Payload):
    """What is sent of a post that was deleted; of any other there is more, see Post."""

    number: int | None = None
    name: OrDefault[str] = ""
    """Category, title and tags in one: `日報/2026/05/出張 #東京 #客先`."""
    wip: OrDefault[bool] = False
    """Whether it is a draft (WIP) still."""
    url: str | None = None
    """Not sent of a deleted post; see `post_url` of the event."""

    @property
    def category(self) -> str:
        """`日報/2026/05`: what is before the title, "" for a post without category."""
        return self._path_and_tags()[0].rpartition("/")[0]

    @property
    def title(self) -> str:
        """`出張`: the last part of the path, without the tags."""
        return self._path_and_tags()[0].rpartition("/")[2]

    @property
    def tags(self) -> tuple[str, ...]:
        """`("東京", "客先")`: the words at the end of the name that begin with a number sign."""
        return self._path_and_tags()[1]

    def _path_and_tags(self) -> tuple[str, tuple[str, ...]]:
        name = self.name.strip()
        words_after_first = name.split()[1:]
        tags = [word[1:] for word in takewhile(_TAG.match, reversed(words_after_first))]
        path = name.rsplit(maxsplit=len(tags))[0] if tags else name
        return path, tuple(reversed(tags))


class Post(PostSummary):
    """A post as it was saved. Lines of `body_md` end with CRLF."""

    body_md: OrDefault[str] = ""
    body_html: OrDefault[str] = ""
    message: OrDefault[str] = ""
    """The note that was left on saving."""
    diff_url: str | None = None
    """What was changed; sent with updates."""


class Comment(Payload):
    """A comment on a post."""

    id: int | None = None
    """From the end of the post's URL, the only place where esa sends it."""
    body_md: OrDefault[str] = ""
    body_html: OrDefault[str] = ""


class Sharing(Payload):
    """A post's page for readers outside the team."""

    url: str | None = None


def comment_id(post_url: Any) -> int | None:
    """The 7 in `https://docs.esa.io/posts/1#comment-7`."""
    found = _COMMENT_FRAGMENT.search(post_url) if isinstance(post_url, str) else None
    return int(found[1]) if found else None
