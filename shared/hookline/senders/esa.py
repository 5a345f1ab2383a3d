"""Deliveries as esa.io's generic webhook makes them: the payload of 2020, signed over its raw bytes."""

from __future__ import annotations

import hmac
import random
from typing import Any

from hookline.senders.fiction import filler, sentence, uuid4
from hookline.senders.wire import Outgoing, compact_json

Json = dict[str, Any]

TYPES = (
    "post_create",
    "post_update",
    "post_archive",
    "post_delete",
    "post_restore",
    "comment_create",
    "member_join",
    "post_start_sharing",
    "post_stop_sharing",
)
_TEAM = "docs-example"
_MEMBERS = (("hanako", "花子🌸"), ("taro", "山田太郎"), ("zoe", "Zoë"))
_NAMES = (
    "日報/2026/03/14/今日やったこと #daily",
    "設計/キューの運用 #redis #ops",
    "議事録/定例 2026-03",
    "README",
)
_MESSAGES = {
    "post_create": "Create post.",
    "post_update": "Update post.",
    "post_archive": "Archive post.",
    "post_restore": "Create post.",
}
_ICON_SIZES = ("thumb_s", "thumb_ms", "thumb_m", "emoji", "thumb_l", "thumb_esa")
_LAST = 99  # past the end: where the list of headers is shorter, that is its end
# Where esa writes the connection's own headers is not known; clients of its kind write them last.
_FRAME = ((_LAST, b"Host"), (_LAST, b"Content-Length"))


def make(
    kind: str,
    *,
    secret: bytes,
    rng: random.Random,
    now_ms: int,
    size_bytes: int = 0,
    hook_id: str | None = None,
) -> Outgoing:
    """One delivery of this kind, signed if there is a secret. What esa sends carries no time."""
    payload = _payload(kind, rng)
    body = compact_json(payload)
    text = payload.get("comment") or payload.get("post", {})
    if len(body) < size_bytes and "body_md" in text:
        markdown_bytes = (size_bytes - len(body) + 1) // 2
        text["body_md"] += filler(markdown_bytes)
        text["body_html"] += filler(size_bytes - len(body) - markdown_bytes)
        body = compact_json(payload)
    signature = b"sha256=" + hmac.digest(secret, body, "sha256").hex().encode()
    headers = (
        (b"Content-Type", b"application/json"),
        (b"User-Agent", b"esa-Hookshot/v1"),
        (b"X-Esa-Delivery", uuid4(rng).encode()),
        *(((b"X-Esa-Signature", signature),) if secret else ()),
        (b"accept", b"*/*"),
    )
    return Outgoing(headers=headers, body=body, frame=_FRAME)


def _payload(kind: str, rng: random.Random) -> Json:
    payload: Json = {"kind": kind, "user": _user(rng), "team": {"name": _TEAM}}
    if kind == "member_join":
        return payload
    post = _post(kind, rng)
    if kind == "post_delete":
        return payload | {"post": {key: post[key] for key in ("name", "wip", "number")}}
    payload["post"] = post
    if kind == "comment_create":
        post["url"] += f"#comment-{rng.randrange(1000, 99_999)}"
        payload["comment"] = _text((f"@hanako {sentence(rng)} :+1:",))
    if kind == "post_start_sharing":
        payload["sharing"] = {"url": f"https://esa-pages.example/p/{rng.getrandbits(40):010x}"}
    return payload


def _user(rng: random.Random) -> Json:
    screen_name, name = rng.choice(_MEMBERS)
    image = f"https://img.esa.example/uploads/members/{screen_name}"
    icon = {"url": f"{image}/icon.png"} | {size: {"url": f"{image}/{size}_icon.png"} for size in _ICON_SIZES}
    return {"icon": icon, "name": name, "screen_name": screen_name}


def _post(kind: str, rng: random.Random) -> Json:
    number = rng.randrange(1, 9000)
    url = f"https://{_TEAM}.esa.io/posts/{number}"
    name = rng.choice(_NAMES)
    post = _text((sentence(rng), f"#{rng.randrange(1, number + 1)} も見てください :memo:", sentence(rng))) | {
        "message": _MESSAGES.get(kind, "Update post."),
        "wip": False,
        "number": number,
        "name": f"Archived/{name}" if kind == "post_archive" else name,
        "url": url,
    }
    return post | (
        {"diff_url": f"{url}/revisions/{rng.randrange(2, 30)}/diff"} if kind == "post_update" else {}
    )


def _text(lines: tuple[str, ...]) -> Json:
    """The Markdown with esa's CRLF, and the HTML that it makes of it."""
    escaped = (line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in lines)
    heading = (
        '<h2 data-sourcepos="1:1-1:9" id="1-0-0" name="1-0-0"><a class="anchor" href="#1-0-0">'
        '<i class="fa fa-link"></i></a>本文</h2>\n'
    )
    paragraphs = (
        f'<p data-sourcepos="{row}:1-{row}:80">{line}</p>\n' for row, line in enumerate(escaped, start=3)
    )
    return {"body_md": "\r\n".join(("## 本文", "", *lines, "")), "body_html": heading + "".join(paragraphs)}
