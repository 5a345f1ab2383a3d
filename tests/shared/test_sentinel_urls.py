"""URLs that name sentinels: what they say, what is wrong with them, and that no password shows."""

from __future__ import annotations

import pytest

from hookline.connections import connect, describe
from hookline.errors import SettingsError
from hookline.redis_url import checked_url, passwords, sentinel_url
from hookline.settings import Redis as RedisSettings

WHOLE = "rediss+sentinel://me:s3c%40ret@one:1,[::1]:2,three/my%20master/5?ssl_ca_certs=/ca.pem"


def test_a_url_says_the_sentinels_the_service_and_the_rest() -> None:
    """A port that is left out is 26379."""
    told = sentinel_url(checked_url(WHOLE))
    assert told is not None
    assert told.sentinels == (("one", 1), ("::1", 2), ("three", 26379))
    assert told.service == "my master"
    assert told.redis_url == "rediss://me:s3c%40ret@primary/5?ssl_ca_certs=/ca.pem"


@pytest.mark.parametrize("url", ["redis://one:1/0", "unix:///run/redis.sock"])
def test_other_urls_name_no_sentinels(url: str) -> None:
    """They name Redis itself."""
    assert sentinel_url(checked_url(url)) is None


def test_the_password_is_known_and_does_not_show() -> None:
    """The user does: it is worth knowing."""
    assert passwords(WHOLE) == ["s3c@ret"]
    shown = "rediss+sentinel://me:***@one:1,[::1]:2,three/my%20master/5?ssl_ca_certs=/ca.pem"
    assert describe(WHOLE) == shown
    assert describe("redis+sentinel://s3cret@one") == "redis+sentinel://***@one"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis+sentinel://one:1,two:2", "names no service"),
        ("redis+sentinel://one:1,two:2/", "names no service"),
        ("redis+sentinel:///mymaster", "names its sentinels"),
        ("redis+sentinel://one:1,,two:2/mymaster", "names its sentinels"),
        ("redis+sentinel://one:x/mymaster", "names its sentinels"),
        ("redis+sentinel://one:70000/mymaster", "names its sentinels"),
        ("redis+sentinel://one:0/mymaster", "names its sentinels"),
        ("redis+sentinel://one/mymaster/zero", "database that is no number"),
        ("redis+sentinel://one/mymaster/0/1", "cannot be read"),
        ("redis+sentinel://me:s3c/ret@one/mymaster", "cannot be read"),
        ("redis+sentinel://me:s3c#ret@one/mymaster", "cannot be read"),
        ("redis+sentinel://one/mymaster?protocol=3", "cannot be set there"),
        ("redis+sentinel://one/mymaster?ssl_ca_certs=/ca.pem", "no TLS"),
        ("redis://one/0?ssl_ca_certs=/ca.pem", "no TLS"),
        ("sentinel://one/mymaster", "is no Redis URL"),
    ],
)
def test_a_url_that_would_not_do_is_refused_with_the_way_out(url: str, problem: str) -> None:
    """Before anything is connected; the password is struck out."""
    with pytest.raises(ValueError, match=problem) as caught:
        checked_url(url)
    assert "s3c" not in str(caught.value)


def test_a_sentinel_password_without_sentinels_is_a_mistake() -> None:
    """It would never be used."""
    with pytest.raises(SettingsError, match=r"redis\.sentinel_password is set and redis\.url names no"):
        connect(RedisSettings(sentinel_password="env:X"))


def test_a_sentinel_password_is_read_by_its_reference() -> None:
    """As every secret is."""
    settings = RedisSettings(url="redis+sentinel://one/mymaster", sentinel_password="env:NOT_THERE")
    with pytest.raises(SettingsError, match="NOT_THERE is not set"):
        connect(settings)
