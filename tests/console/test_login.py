"""Who gets in: the password, the session that comes of it, and how often one may guess."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hookline.keys import LOGINS_PREFIX, SESSION_PREFIX
from hookline.store import Store
from hookline_console.passwords import MOST_FAILURES, WINDOW_SECONDS, Password, seconds_to_wait

if TYPE_CHECKING:
    from conftest import Browser, Running, Serve


def sessions(store: Store) -> list[bytes]:
    """The keys of all sessions."""
    return list(store.redis.keys(f"{SESSION_PREFIX}*"))


async def test_the_right_password_opens_the_console(stranger: Browser) -> None:
    """The cookie that comes with it is out of reach for scripts and other sites."""
    answer = await stranger.log_in()
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("hookline=")
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"))
    assert (await stranger.get("/")).status == 200


async def test_a_wrong_password_does_not(stranger: Browser, console: Running) -> None:
    """There is no cookie, no session, and no word of what was nearly right."""
    for wrong in (stranger.password[:-1], stranger.password.upper(), "", "pässwörd\udcff"):
        answer = await stranger.log_in(wrong.encode("utf-8", "replace").decode())
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
        assert "That is not the password." in answer.text
    assert sessions(console.store) == []


async def test_behind_tls_the_cookie_is_for_https_and_this_host_alone(serve: Serve, browser_at: Any) -> None:
    """The prefix of its name has browsers refuse it from anywhere else."""
    running = await serve(console={"secure_cookies": True})
    answer = await browser_at(running).log_in()
    assert answer.headers["Set-Cookie"].startswith("__Host-hookline=")
    assert "Secure" in answer.headers["Set-Cookie"]


async def test_after_logging_in_one_is_where_one_wanted_to_be(stranger: Browser) -> None:
    """And nowhere else: the address comes from outside."""
    answer = await stranger.get("/sources/misskey?hours=24")
    assert answer.headers["Location"] == "/login?next=/sources/misskey?hours%3D24"
    page = await stranger.get(answer.headers["Location"])
    assert 'name="next" value="/sources/misskey?hours=24"' in page.text
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", ""):
        form = {"password": stranger.password, "next": elsewhere}
        assert (await stranger.send("POST", "/login", form)).headers["Location"] == "/"


async def test_who_is_logged_in_does_not_see_the_login(browser: Browser) -> None:
    """They are sent on."""
    answer = await browser.get("/login?next=/sources")
    assert (answer.status, answer.headers["Location"]) == (303, "/sources")


async def test_redis_never_sees_the_token(browser: Browser, console: Running) -> None:
    """Who reads Redis cannot log in with what is there."""
    (token,) = [cookie.value for cookie in browser.client.cookie_jar]
    (key,) = sessions(console.store)
    dump = key + b"".join(console.store.redis.hgetall(key))
    assert len(token) >= 43
    assert token.encode() not in dump


async def test_a_session_ends_by_itself(browser: Browser, console: Running) -> None:
    """Its key has the time of the settings, and when it is over one is a stranger."""
    (key,) = sessions(console.store)
    assert 12 * 3600 - 60 < console.store.redis.ttl(key) <= 12 * 3600
    console.store.redis.delete(key)  # as Redis does when its time is over
    assert (await browser.get("/")).status == 303


async def test_logging_out_ends_the_session_in_redis_too(browser: Browser, console: Running) -> None:
    """Who has kept the cookie has kept nothing."""
    (token,) = [cookie.value for cookie in browser.client.cookie_jar]
    answer = await browser.post("/logout")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert sessions(console.store) == []
    browser.client.cookie_jar.update_cookies({"hookline": token})
    assert (await browser.get("/")).status == 303


async def test_a_new_password_ends_all_sessions(browser: Browser, console: Running, serve: Serve) -> None:
    """Whoever knew the old one is out."""
    renewed = await serve(password="another one, just as long")
    browser.url = renewed.url
    assert (await browser.get("/")).status == 303


async def test_a_program_sends_the_password_as_a_token(stranger: Browser) -> None:
    """It needs no session, and no token of a form."""
    token = {"Authorization": f"Bearer {stranger.password}", "Accept": "*/*"}
    assert (await stranger.get("/", **token)).status == 200
    answer = await stranger.send("POST", "/sources/misskey/pause", **token)
    assert (answer.status, answer.text) == (200, '{"said": "misskey is paused: what comes in waits."}')
    token["Authorization"] += "x"
    assert (await stranger.get("/", **token)).status == 401


@pytest.mark.parametrize("way", ["form", "token"])
async def test_who_guesses_too_often_has_to_wait(stranger: Browser, console: Running, way: str) -> None:
    """Not even the right password is taken then, else guessing would go on; the sessions are left alone."""

    async def guess(password: str) -> Any:
        if way == "form":
            return await stranger.log_in(password)
        return await stranger.get("/", Authorization=f"Bearer {password}")

    for number in range(MOST_FAILURES):
        assert (await guess(f"guess {number}")).status == 401
    answer = await guess(stranger.password)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= WINDOW_SECONDS
    console.store.redis.delete(f"{LOGINS_PREFIX}127.0.0.1")  # as Redis does when the time is over
    assert (await guess(stranger.password)).status in (200, 303)


def test_one_address_does_not_lock_out_the_others(redis: Any) -> None:
    """All addresses of one IPv6 network count as one, since whoever has one has all."""
    store = Store(redis)
    for number in range(MOST_FAILURES):
        seconds_to_wait(store, f"2001:db8::{number:x}", is_right=False)
        seconds_to_wait(store, "::ffff:203.0.113.9", is_right=False)
    assert seconds_to_wait(store, "2001:db8::ffff", is_right=True) > 0
    assert seconds_to_wait(store, "203.0.113.9", is_right=True) > 0
    assert seconds_to_wait(store, "2001:db8:0:1::1", is_right=True) == 0
    assert seconds_to_wait(store, "203.0.113.10", is_right=True) == 0


def test_the_window_does_not_grow_with_each_guess(redis: Any) -> None:
    """It begins with the first one: an address is never locked out for good."""
    store = Store(redis)
    seconds_to_wait(store, "203.0.113.9", is_right=False)
    redis.expire(f"{LOGINS_PREFIX}203.0.113.9", 7)
    seconds_to_wait(store, "203.0.113.9", is_right=False)
    assert redis.ttl(f"{LOGINS_PREFIX}203.0.113.9") <= 7


def test_a_password_is_compared_whatever_it_is_made_of() -> None:
    """Bytes that are no text among them."""
    assert Password(b"caf\xc3\xa9").is_right("café")
    assert Password(b"\xff\xfe").is_right("\udcff\udcfe")
    assert not Password(b"secret").is_right("secret\x00")
