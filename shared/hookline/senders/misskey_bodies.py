"""The bodies of Misskey's events, one for each type, in the shapes of Misskey 2026 and its forks."""

from __future__ import annotations

import random
from collections.abc import Callable

from hookline.senders.fiction import OWNER, PEOPLE, iso, sentence
from hookline.senders.misskey_objects import Json, aidx, drive_file, note, user_detailed, user_lite

_REMAINING_HOURS = (12, 24, 48, 72, 168)


def _own_note(rng: random.Random, now_ms: int) -> Json:
    at_ms = now_ms - rng.randrange(13, 3000)
    extra = rng.choice(
        (
            {},
            {"cw": "ネタバレ注意"},
            {"visibility": "home"},
            {"visibility": "followers", "reactionAcceptance": "likeOnly"},
            {"hasPoll": True, "poll": _poll(now_ms)},
        )
    )
    files = tuple(drive_file(rng, at_ms - 5000) for _ in range(rng.choice((0, 0, 0, 1, 4))))
    return {"note": note(OWNER, rng, at_ms, files=files, extra=extra)}


def _poll(now_ms: int) -> Json:
    choices = [{"text": text, "votes": 0, "isVoted": False} for text in ("はい 🙆", "いいえ 🙅")]
    return {"multiple": False, "expiresAt": iso(now_ms + 86_400_000), "choices": choices}


def _reply(rng: random.Random, now_ms: int) -> Json:
    answered = note(OWNER, rng, now_ms - rng.randrange(60_000, 9_000_000))
    del answered["clippedCount"]  # the note that is replied to is packed without its details
    at_ms = now_ms - rng.randrange(13, 3000)
    text = f"@{OWNER.username} {sentence(rng)}"
    return {"note": note(rng.choice(PEOPLE), rng, at_ms, text=text, reply=answered, mentions=(OWNER,))}


def _renote(rng: random.Random, now_ms: int) -> Json:
    original = note(OWNER, rng, now_ms - rng.randrange(60_000, 9_000_000))
    quote = sentence(rng) if rng.random() < 0.3 else None
    at_ms = now_ms - rng.randrange(13, 3000)
    return {"note": note(rng.choice(PEOPLE), rng, at_ms, text=quote, renote=original)}


def _mention(rng: random.Random, now_ms: int) -> Json:
    text = f"@{OWNER.username} {sentence(rng)}"
    mention = note(rng.choice(PEOPLE), rng, now_ms - rng.randrange(13, 3000), text=text, mentions=(OWNER,))
    del mention["reactionAndUserPairCache"]  # it is packed for the owner, unlike the notes of the other types
    return {"note": mention}


def _edited(rng: random.Random, now_ms: int) -> Json:
    return {"note": note(OWNER, rng, now_ms - 600_000, extra={"updatedAt": iso(now_ms)})}


def _reaction(rng: random.Random, now_ms: int) -> Json:
    """What it would be: every version lets one select `reaction`, and none has ever sent it."""
    extra = {
        "reactionCount": 1,
        "reactions": {"👍": 1},
        "reactionAndUserPairCache": [f"{PEOPLE[0].user_id}/👍"],
    }
    return {"note": note(OWNER, rng, now_ms - 600_000, extra=extra)}


def _follow(rng: random.Random, now_ms: int) -> Json:
    return {"user": user_detailed(rng.choice(PEOPLE), rng, now_ms, is_followed=True)}


def _unfollow(rng: random.Random, now_ms: int) -> Json:
    return {"user": user_detailed(rng.choice(PEOPLE), rng, now_ms, is_followed=False)}


def _followed(rng: random.Random, now_ms: int) -> Json:
    return {"user": user_lite(rng.choice(PEOPLE))}


def _user_created(rng: random.Random, now_ms: int) -> Json:
    """A bare UserLite, of an account that has no name yet."""
    username = f"newcomer{rng.randrange(10_000)}"
    return user_lite(PEOPLE[0]._replace(user_id=aidx(rng, now_ms), username=username, name=None))


def _abuse_report(rng: random.Random, now_ms: int, *, is_resolved: bool = False) -> Json:
    """The report itself, not wrapped."""
    target, reporter = rng.sample(PEOPLE, 2)
    return {
        "id": aidx(rng, now_ms - 40),
        "targetUserId": target.user_id,
        "targetUserHost": target.host,
        "reporterId": reporter.user_id,
        "reporterHost": reporter.host,
        "assigneeId": OWNER.user_id if is_resolved else None,
        "resolved": is_resolved,
        "forwarded": False,
        "comment": f"スパムの疑い: {sentence(rng)}",
        "moderationNote": "確認しました" if is_resolved else "",
        "resolvedAs": rng.choice(("accept", "reject", None)) if is_resolved else None,
        "targetUser": user_lite(target),
        "reporter": user_lite(reporter),
        "assignee": user_lite(OWNER) if is_resolved else None,
    }


def _abuse_report_resolved(rng: random.Random, now_ms: int) -> Json:
    return _abuse_report(rng, now_ms, is_resolved=True)


def _inactive_moderators_warning(rng: random.Random, now_ms: int) -> Json:
    hours = rng.choice(_REMAINING_HOURS)
    return {"remainingTime": {"time": hours * 3_600_000, "asHours": hours, "asDays": hours // 24}}


def _empty(rng: random.Random, now_ms: int) -> Json:
    return {}


def _report_created(rng: random.Random, now_ms: int) -> Json:
    return {"report": _abuse_report(rng, now_ms)}


def _report_resolved(rng: random.Random, now_ms: int) -> Json:
    return {"report": _abuse_report(rng, now_ms, is_resolved=True)}


def _report_auto_resolved(rng: random.Random, now_ms: int) -> Json:
    resolver = {"id": aidx(rng, now_ms - 86_400_000), "name": "スパム自動対応", "targetUserPattern": "^spam"}
    return {"resolver": resolver, "report": _abuse_report(rng, now_ms, is_resolved=True)}


BODIES: dict[str, Callable[[random.Random, int], Json]] = {
    "note": _own_note,
    "reply": _reply,
    "renote": _renote,
    "mention": _mention,
    "follow": _follow,
    "followed": _followed,
    "unfollow": _unfollow,
    "reaction": _reaction,
    "edited": _edited,
    "abuseReport": _abuse_report,
    "abuseReportResolved": _abuse_report_resolved,
    "userCreated": _user_created,
    "inactiveModeratorsWarning": _inactive_moderators_warning,
    "inactiveModeratorsInvitationOnlyChanged": _empty,
    "inactiveModeratorsDisablePublicNoteChanged": _empty,
    "reportCreated": _report_created,
    "reportResolved": _report_resolved,
    "reportAutoResolved": _report_auto_resolved,
}
