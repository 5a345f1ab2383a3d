"""The people, words and ids that invented deliveries are made of, all drawn from the given `Random`."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

_PARAGRAPH = (
    "朝の庭に霧が降り、鳥たちはまだ静かに眠っている。"
    "港では船が戻り、人々は魚を運びながら今日の天気を語り合う。"
)  # three bytes each in UTF-8, which `filler` counts on
_SENTENCES = (
    "今日のお昼はカレーうどんでした 🍛",
    "新しいリリースを出しました！ 変更点は後で書きます",
    "猫がキーボードの上で寝ている 🐈‍⬛",
    "Reading about append-only logs on the train",
    "「なぜ」を書くと半年後の自分が助かる",
    "雨、やみませんね… ☔️",
    '<b>タグ</b> & "引用符" と \\ のテスト :blobcat:',
    "週末は山に登ります⛰️ 一緒に行く人いませんか",
    "Déjà vu: the queue was empty all along 👀",
    "眠い。コーヒーを淹れる☕",
)


class Person(NamedTuple):
    """Somebody who does not exist. `host` is None for a local account, `name` where none was ever set."""

    user_id: str
    username: str
    name: str | None
    host: str | None


OWNER = Person("9s1kq4zx8c0w0001", "hanako", "花子🌸", None)
"""The owner of every invented webhook."""

PEOPLE = (
    Person("9s1m2b7t3d4v0002", "taro", "山田太郎", None),
    Person("9s2c8n5w1f6y0003", "mochi", "もち :blobcat:", None),
    Person("9t4h6r2k9j3p0004", "nameless", None, None),
    Person("9u7d1x4m8s2q0005", "zoe", "Zoë 🦊", "social.example"),
    Person("9v3f5g9b7n1l0006", "kumo", "雲を見る人", "雲.example".encode("idna").decode()),
)


def sentence(rng: random.Random) -> str:
    """One line that somebody might write."""
    return rng.choice(_SENTENCES)


def filler(size_bytes: int) -> str:
    """Text of exactly this many bytes in UTF-8, of characters that JSON does not escape."""
    wide, narrow = divmod(size_bytes, 3)
    repeats = wide // len(_PARAGRAPH) + 1
    return (_PARAGRAPH * repeats)[:wide] + "." * narrow


def uuid4(rng: random.Random) -> str:
    """A UUID v4 in lower case."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def iso(at_ms: int) -> str:
    """This time as JavaScript writes it: `2026-03-14T01:59:26.535Z`."""
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"
