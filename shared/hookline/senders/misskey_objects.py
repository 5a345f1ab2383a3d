"""Notes, users and files as Misskey 2026 packs them: its key order, its nulls, and its keys left away."""

from __future__ import annotations

import random
from typing import Any

from hookline.senders.fiction import OWNER, PEOPLE, Person, iso, sentence

Json = dict[str, Any]

SERVER = "https://misskey.example"
_EPOCH_2000_MS = 946_684_800_000
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_DAY_MS = 86_400_000


def aidx(rng: random.Random, at_ms: int) -> str:
    """An id of the `aidx` kind: the time since 2000 in base 36, then eight more digits."""
    rest, time_digits = max(at_ms - _EPOCH_2000_MS, 0), ""
    while rest:
        rest, digit = divmod(rest, 36)
        time_digits = _DIGITS[digit] + time_digits
    return time_digits.rjust(8, "0")[-8:] + "".join(rng.choices(_DIGITS, k=8))


def user_lite(person: Person) -> Json:
    """A UserLite; `instance` only for an account of another server, `badgeRoles` only for a local one."""
    user: Json = {
        "id": person.user_id,
        "name": person.name,
        "username": person.username,
        "host": person.host,
        "avatarUrl": f"{SERVER}/identicon/{person.username}@{person.host or 'misskey.example'}",
        "avatarBlurhash": None,
        "avatarDecorations": [],
        "isBot": False,
        "isCat": person.username == "mochi",
    }
    if person.host:
        user["instance"] = {
            "name": "雲の上 ☁️",
            "softwareName": "misskey",
            "softwareVersion": "2026.3.2",
            "iconUrl": f"https://{person.host}/favicon.ico",
            "faviconUrl": f"https://{person.host}/favicon.ico",
            "themeColor": "#86b300",
        }
    emojis = {"blobcat": f"{SERVER}/emoji/blobcat.webp"} if person.name and ":blobcat:" in person.name else {}
    return user | {"emojis": emojis, "onlineStatus": "online"} | ({} if person.host else {"badgeRoles": []})


def user_detailed(person: Person, rng: random.Random, now_ms: int, *, is_followed: bool) -> Json:
    """A UserDetailedNotMe as the hook's owner sees it; `is_followed` is whether the owner follows them."""
    profile = f"https://{person.host}/@{person.username}" if person.host else None
    pinned = [
        note(person, rng, now_ms - rng.randrange(_DAY_MS, 90 * _DAY_MS)) for _ in range(rng.randrange(3))
    ]
    return user_lite(person) | {
        "url": profile,
        "uri": f"https://{person.host}/users/{person.user_id}" if person.host else None,
        "movedTo": None,
        "alsoKnownAs": None,
        "createdAt": iso(now_ms - rng.randrange(100 * _DAY_MS, 900 * _DAY_MS)),
        "updatedAt": iso(now_ms - rng.randrange(_DAY_MS)),
        "lastFetchedAt": iso(now_ms - rng.randrange(_DAY_MS)) if person.host else None,
        "bannerUrl": None,
        "bannerBlurhash": None,
        "isLocked": False,
        "isSilenced": False,
        "isSuspended": False,
        "description": f"{sentence(rng)}\n{sentence(rng)}",
        "location": rng.choice(("京都", "Malmö", None)),
        "birthday": None,
        "lang": rng.choice(("ja-JP", None)),
        "fields": [{"name": "ウェブ", "value": f"https://{person.username}.example/"}],
        "verifiedLinks": [],
        "followersCount": rng.randrange(2000),
        "followingCount": rng.randrange(800),
        "notesCount": rng.randrange(30_000),
        "pinnedNoteIds": [each["id"] for each in pinned],
        "pinnedNotes": pinned,
        "pinnedPageId": None,
        "pinnedPage": None,
        "publicReactions": True,
        "followersVisibility": "public",
        "followingVisibility": "public",
        "chatScope": "mutual",
        "canChat": True,
        "roles": [],
        "memo": None,
        "followedMessage": None,
        "isFollowing": is_followed,
        "isFollowed": rng.random() < 0.5,
        "hasPendingFollowRequestFromYou": False,
        "hasPendingFollowRequestToYou": False,
        "isBlocking": False,
        "isBlocked": False,
        "isMuted": False,
        "isRenoteMuted": False,
        "notify": "none",
        "withReplies": False,
    }


def drive_file(rng: random.Random, at_ms: int) -> Json:
    """A picture in somebody's drive."""
    file_id = aidx(rng, at_ms)
    return {
        "id": file_id,
        "createdAt": iso(at_ms),
        "name": rng.choice(("写真 2026-03.webp", "IMG_0042.webp", "スクリーンショット.webp")),
        "type": "image/webp",
        "md5": f"{rng.getrandbits(128):032x}",
        "size": rng.randrange(20_000, 4_000_000),
        "isSensitive": rng.random() < 0.1,
        "blurhash": "eEHLh[WB2yk8pyoJadR*.7kCMdnjS#M|%1%2",
        "properties": {"width": 1920, "height": 1080},
        "url": f"{SERVER}/files/{file_id}.webp",
        "thumbnailUrl": f"{SERVER}/files/thumbnail-{file_id}.webp",
        "comment": rng.choice((None, "夕焼けの写真")),
        "folderId": None,
        "folder": None,
        "userId": None,
        "user": None,
    }


def note(
    author: Person,
    rng: random.Random,
    at_ms: int,
    *,
    text: str | None = "",
    reply: Json | None = None,
    renote: Json | None = None,
    mentions: tuple[Person, ...] = (),
    files: tuple[Json, ...] = (),
    extra: Json | None = None,
) -> Json:
    """A Note. Keys that do not apply are absent, as JavaScript's `undefined` is; an empty text is invented.

    `extra` is what only some notes have: it replaces keys, and follows the others where it adds them.
    """
    note_id = aidx(rng, at_ms)
    hearts = rng.randrange(4) if author != OWNER else 0
    packed: Json = {
        "id": note_id,
        "createdAt": iso(at_ms),
        "userId": author.user_id,
        "user": user_lite(author),
        "text": sentence(rng) if text == "" else text,
        "cw": None,
        "visibility": "public",
        "localOnly": False,
        "reactionAcceptance": None,
        "renoteCount": 0,
        "repliesCount": 0,
        "reactionCount": hearts,
        "reactions": {"❤": hearts} if hearts else {},
        "reactionEmojis": {},
        "reactionAndUserPairCache": [f"{person.user_id}/❤" for person in PEOPLE[:hearts]],
    }
    packed |= {"emojis": {}} if author.host else {}
    packed |= {
        "fileIds": [file["id"] for file in files],
        "files": list(files),
        "replyId": reply["id"] if reply else None,
        "renoteId": renote["id"] if renote else None,
    }
    packed |= {"mentions": [person.user_id for person in mentions]} if mentions else {}
    packed |= {"uri": f"https://{author.host}/notes/{note_id}"} if author.host else {}
    packed |= {"clippedCount": 0}
    packed |= {"reply": reply} if reply else {}
    packed |= {"renote": renote} if renote else {}
    return packed | (extra or {})
