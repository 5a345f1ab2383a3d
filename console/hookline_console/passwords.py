"""The one password: compared in constant time, and guessed at a few times a while only."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from hookline.errors import SettingsError
from hookline.keys import LOGINS_PREFIX
from hookline.references import resolve_secret
from hookline.settings import Console
from hookline.store import Store

MOST_FAILURES = 10
WINDOW_SECONDS = 300
"""So many wrong passwords of one address within this time; then not even the right one is taken."""
IPV6_NETWORK_BITS = 64


class Password:
    """What people log in with. Only its digest is kept."""

    def __init__(self, value: bytes) -> None:
        self._digest = hashlib.sha256(value).digest()

    def is_right(self, given: str) -> bool:
        """Is it this one? The time that it takes tells nothing of either."""
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(digest, self._digest)

    def sign(self, text: str) -> str:
        """A name for `text` that nobody can make without the password, and that a new password changes."""
        return hmac.new(self._digest, text.encode("utf-8", "replace"), "sha256").hexdigest()


def read_password(settings: Console) -> Password:
    """The password of the settings. Raises SettingsError, with the way out, where there is none."""
    if settings.password is None:
        raise SettingsError(
            "console.password is not set, and without a password the console does not start; "
            'set console.password = "env:CONSOLE_PASSWORD" and that variable to what '
            "`openssl rand -hex 16` prints"
        )
    return Password(resolve_secret(settings.password))


def seconds_to_wait(store: Store, address: str, is_right: bool) -> int:
    """Note a try from `address`; gives 0, or for how long no further one is taken from there.

    Many at the same time gain nothing but as many as there are threads: each asks before it counts.
    """
    key = LOGINS_PREFIX + _network(address)
    with store.redis.pipeline() as pipeline:
        pipeline.get(key)
        pipeline.ttl(key)
        count, left = pipeline.execute()
        if count and int(count) >= MOST_FAILURES:
            return max(1, int(left))
        if not is_right:
            pipeline.set(key, 0, ex=WINDOW_SECONDS, nx=True)
            pipeline.incr(key)
            pipeline.execute()
    return 0


def _network(address: str) -> str:
    """Who has one IPv6 address has all of its network's."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return str(getattr(parsed, "ipv4_mapped", None) or parsed)
    return str(ipaddress.ip_network((parsed, IPV6_NETWORK_BITS), strict=False))
