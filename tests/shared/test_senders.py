"""What the senders make: Misskey's and esa's deliveries, byte for byte in their style."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from typing import Any

import pytest

from hookline.errors import SettingsError
from hookline.events import snake_case
from hookline.providers import provider
from hookline.senders import Outgoing, delivery_random, make_delivery, sender_type, sender_types

SECRET = b"s3cret"
NOW_MS = 1_773_453_566_535  # 2026-03-14T01:59:26.535Z
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
USER_TYPES = {
    *("note", "reply", "renote", "mention", "follow", "followed", "unfollow", "reaction", "edited"),
    *("reportCreated", "reportResolved", "reportAutoResolved"),
}
EVERY_TYPE = [(name, kind) for name in ("misskey", "esa") for kind in sender_types(name)]


def make(name: str, kind: str, index: int = 0, **options: Any) -> Outgoing:
    """A delivery of the fixed seed, time and secret."""
    settings: dict[str, Any] = {
        "secret": SECRET,
        "rng": delivery_random(7, index),
        "now_ms": NOW_MS,
    } | options
    return make_delivery(name, kind, **settings)


def body_of(delivery: Outgoing) -> dict[str, Any]:
    """The payload."""
    payload = json.loads(delivery.body)
    assert isinstance(payload, dict)
    return payload


def test_every_type_of_both_senders_can_be_made() -> None:
    """The lists are those of the senders' documentation and sources."""
    assert set(sender_types("misskey")) == {
        *USER_TYPES,
        "abuseReport",
        "abuseReportResolved",
        "userCreated",
        "inactiveModeratorsWarning",
        "inactiveModeratorsInvitationOnlyChanged",
        "inactiveModeratorsDisablePublicNoteChanged",
    }
    assert set(sender_types("esa")) == {
        *("post_create", "post_update", "post_archive", "post_delete", "post_restore"),
        *("comment_create", "member_join", "post_start_sharing", "post_stop_sharing"),
    }


@pytest.mark.parametrize(("name", "kind"), EVERY_TYPE)
def test_the_same_seed_and_time_make_the_same_bytes(name: str, kind: str) -> None:
    """So the identical delivery can be sent again, as a retry."""
    assert make(name, kind, 3) == make(name, kind, 3)


@pytest.mark.parametrize(("name", "kind"), EVERY_TYPE)
def test_another_index_is_another_delivery(name: str, kind: str) -> None:
    """No two deliveries of a run are taken for repeats of each other."""
    keys = {provider(name).dedupe_key(make(name, kind, index)).key for index in range(20)}
    assert len(keys) == 20


@pytest.mark.parametrize(("name", "kind"), EVERY_TYPE)
def test_every_delivery_is_verified_and_parsed_as_its_type(name: str, kind: str) -> None:
    """What the senders make is what the providers read."""
    reader = provider(name)
    for index in range(20):
        delivery = make(name, kind, index)
        reader.verifier([SECRET])(delivery)
        event = reader.parse(delivery)
        assert event.type == f"{name}.{snake_case(kind)}"
        assert type(event) in reader.events


@pytest.mark.parametrize(("name", "kind"), EVERY_TYPE)
def test_bodies_are_compact_and_keep_japanese_and_emoji_unescaped(name: str, kind: str) -> None:
    """As JSON.stringify writes them."""
    for index in range(20):
        body = make(name, kind, index).body
        rewritten = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
        assert rewritten.encode() == body
        assert b"\\u" not in body


@pytest.mark.parametrize("kind", sender_types("misskey"))
def test_misskeys_envelope_has_its_key_order(kind: str) -> None:
    """A system webhook's has no userId."""
    owner = ["userId"] if kind in USER_TYPES else []
    payload = body_of(make("misskey", kind))
    assert list(payload) == ["server", "hookId", *owner, "eventId", "createdAt", "type", "body"]
    assert (payload["type"], payload["createdAt"]) == (kind, NOW_MS)
    assert UUID4.fullmatch(payload["eventId"])


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("note", {"note"}),
        ("mention", {"note"}),
        ("follow", {"user"}),
        ("followed", {"user"}),
        ("reportAutoResolved", {"resolver", "report"}),
        ("inactiveModeratorsWarning", {"remainingTime"}),
        ("inactiveModeratorsInvitationOnlyChanged", set()),
    ],
)
def test_misskeys_bodies_have_the_shape_of_their_type(kind: str, keys: set[str]) -> None:
    """The part that the event is about has the name that Misskey gives it."""
    assert set(body_of(make("misskey", kind))["body"]) == keys


def test_a_report_and_a_created_user_are_not_wrapped() -> None:
    """Their bodies are the report and the user themselves."""
    report = body_of(make("misskey", "abuseReport"))["body"]
    assert (report["resolved"], report["assignee"]) == (False, None)
    assert body_of(make("misskey", "abuseReportResolved"))["body"]["resolved"] is True
    assert body_of(make("misskey", "userCreated"))["body"]["username"].startswith("newcomer")


def test_notes_leave_away_what_does_not_apply() -> None:
    """What is undefined in JavaScript is not in its JSON, while null is."""
    quoted = pure = 0
    for index in range(60):
        note = body_of(make("misskey", "renote", index))["body"]["note"]
        assert "reply" not in note
        assert "poll" not in note
        assert note["renote"]["id"] == note["renoteId"]
        assert ("uri" in note) == (note["user"]["host"] is not None)
        pure, quoted = pure + (note["text"] is None), quoted + (note["text"] is not None)
    assert pure > quoted > 0


def test_misskeys_headers_are_in_its_order_and_case() -> None:
    """Those of the connection are the poster's."""
    delivery = make("misskey", "note", hook_id="afpy5mo00hook0b1")
    assert list(delivery.headers) == [
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"Misskey-Hooks"),
        (b"x-misskey-hook-id", b"afpy5mo00hook0b1"),
        (b"x-misskey-hook-secret", SECRET),
        (b"x-misskey-host", b"misskey.example"),
    ]
    assert body_of(delivery)["hookId"] == "afpy5mo00hook0b1"


def test_misskey_sends_an_empty_secret_as_an_empty_header() -> None:
    """And does not leave the header away."""
    assert make("misskey", "note", secret=b"").header(b"x-misskey-hook-secret") == b""


def test_a_secret_with_a_line_break_is_refused() -> None:
    """It would become a header of its own."""
    with pytest.raises(SettingsError, match="line break") as caught:
        make("misskey", "note", secret=b"one\r\nx-two: three")
    assert "three" not in str(caught.value)


def test_esa_signs_the_raw_body() -> None:
    """HMAC-SHA256 under the secret, in lower-case hex."""
    delivery = make("esa", "post_create")
    names = [name for name, _ in delivery.headers]
    assert names == [b"Content-Type", b"User-Agent", b"X-Esa-Delivery", b"X-Esa-Signature", b"accept"]
    expected = hmac.new(SECRET, delivery.body, hashlib.sha256).hexdigest()
    assert delivery.header(b"x-esa-signature") == f"sha256={expected}".encode()
    assert delivery.header(b"user-agent") == b"esa-Hookshot/v1"


def test_esa_without_a_secret_sends_no_signature() -> None:
    """The header is absent, unlike Misskey's."""
    assert make("esa", "post_create", secret=b"").header(b"x-esa-signature") is None


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("post_create", ["kind", "user", "team", "post"]),
        ("comment_create", ["kind", "user", "team", "post", "comment"]),
        ("member_join", ["kind", "user", "team"]),
        ("post_start_sharing", ["kind", "user", "team", "post", "sharing"]),
    ],
)
def test_esas_payloads_have_its_key_order(kind: str, keys: list[str]) -> None:
    """As captured in 2020."""
    assert list(body_of(make("esa", kind))) == keys


def test_esas_posts_have_the_quirks_of_their_kind() -> None:
    """CRLF in the text, a diff for updates only, little of a deleted post, the comment's id in the URL."""
    update = body_of(make("esa", "post_update"))["post"]
    assert list(update) == ["body_md", "body_html", "message", "wip", "number", "name", "url", "diff_url"]
    assert "\r\n" in update["body_md"]
    assert "diff_url" not in body_of(make("esa", "post_create"))["post"]
    assert list(body_of(make("esa", "post_delete"))["post"]) == ["name", "wip", "number"]
    assert body_of(make("esa", "post_archive"))["post"]["name"].startswith("Archived/")
    assert re.search(r"#comment-\d+$", body_of(make("esa", "comment_create"))["post"]["url"])


@pytest.mark.parametrize("size", [50_000, 50_001, 50_002, 50_003])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("misskey", kind) for kind in ("note", "renote", "follow", "abuseReport", "reportResolved")),
        *(("esa", kind) for kind in ("post_create", "comment_create")),
    ],
)
def test_a_body_is_lengthened_to_the_size_that_is_asked_for(name: str, kind: str, size: int) -> None:
    """By its text, so it stays a genuine delivery."""
    delivery = make(name, kind, size_bytes=size)
    assert len(delivery.body) == size
    provider(name).verifier([SECRET])(delivery)


def test_a_type_without_text_keeps_its_size() -> None:
    """There is nothing in it that could be longer."""
    assert make("esa", "member_join", size_bytes=50_000) == make("esa", "member_join")


@pytest.mark.parametrize("name", ["abuse_report", "abuseReport", "AbuseReport"])
def test_a_type_is_known_by_each_of_its_spellings(name: str) -> None:
    """The sender's, the event's and the class's."""
    assert sender_type("misskey", name) == "abuseReport"


def test_an_unknown_type_names_the_nearest() -> None:
    """And all that there are."""
    with pytest.raises(
        SettingsError, match=r"no 'post_craete'; did you mean 'post_create'\?; it sends post_"
    ):
        sender_type("esa", "post_craete")


def test_an_unknown_sender_names_the_nearest() -> None:
    """And all that there are."""
    with pytest.raises(SettingsError, match=r"as 'miskey'; did you mean 'misskey'\?; it can send as esa, mi"):
        sender_types("miskey")


def test_ten_thousand_deliveries_are_made_in_seconds() -> None:
    """A tenth of them, in a tenth of ten seconds of processor time: far more than it takes."""
    started = time.process_time()
    for index in range(1000):
        name, kind = EVERY_TYPE[index % len(EVERY_TYPE)]
        make(name, kind, index)
    assert time.process_time() - started < 1.0
