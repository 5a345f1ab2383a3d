"""Would the console start, and is it for its operator alone?"""

from __future__ import annotations

import ipaddress

from hookline.cli.findings import Finding, doubtful, right, wrong
from hookline.errors import SettingsError
from hookline.references import resolve_secret
from hookline.settings import Console

SHORT_PASSWORD_BYTES = 12
_LONG = "make it a long random one, as `openssl rand -hex 16` prints"


def examine_console(settings: Console) -> list[Finding]:
    """What is right and wrong with it."""
    if settings.password is None:
        mend = 'set console.password = "env:CONSOLE_PASSWORD", and that variable, to see it'
        return [doubtful("console", "has no password, and without one it does not start", mend)]
    return [_password(settings.password), *_reach(settings)]


def _password(reference: str) -> Finding:
    try:
        password = resolve_secret(reference)
    except SettingsError as error:
        return wrong("console", str(error), _LONG)
    if len(password) < SHORT_PASSWORD_BYTES:
        return doubtful("console", f"the password {reference!r} is short and may be guessed", _LONG)
    return right("console", f"the password {reference!r} is present")


def _reach(settings: Console) -> list[Finding]:
    """Told only where others may reach it, and listen to what is sent."""
    if settings.secure_cookies or _is_loopback(settings.host):
        return []
    return [
        doubtful(
            "console",
            f"is served at {settings.host}, where the password comes in clear over the network",
            "serve it at 127.0.0.1, or let a proxy do TLS and set console.secure_cookies = true",
        )
    ]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
