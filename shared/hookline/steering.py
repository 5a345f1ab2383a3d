"""The sections of the settings that are about seeing and steering: the console, the alarms, the traces."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hookline.sections import PublicUrl, Reference, Section

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
"""A time of day, from and to: `22:00-07:00`."""


class Console(Section):
    """The operator's web page."""

    host: str = "127.0.0.1"
    """The address that the page is served at. `0.0.0.0` in a container, whose port is bound to loopback."""
    port: int = Field(default=8090, ge=0, le=65535)
    """The port that the page is served at; 0 takes a free one and logs it."""
    password: Reference | None = None
    """A reference to the password that people log in with; without one the console does not start."""
    session_hours: float = Field(default=12.0, gt=0, le=24 * 90)
    """How long one stays logged in."""
    secure_cookies: bool = False
    """Let browsers send the cookie over https only. Set it where a proxy with TLS stands before the page."""
    public_url: PublicUrl | None = None
    """Where you reach the page, as `https://hookline.example.org`: the alarms' messages end with it."""


class Alarms(Section):
    """Who is told when something is wrong, and how often."""

    to: tuple[Reference, ...] = ()
    """References to the Apprise URLs that are told: `env:ALARM_URL`. Empty: nobody is told."""
    failures_in_a_row: int = Field(default=5, ge=1)
    """Tell when an action has failed so many times in a row, attempts counted."""
    dead_letters: bool = True
    """Tell of new dead letters."""
    backlog_seconds: float = Field(default=300.0, gt=0)
    """Tell when an event has waited for longer than this."""
    receivers: tuple[str, ...] = ()
    """Admin addresses of receivers to watch, as `http://127.0.0.1:8081`: are they ready for deliveries?"""
    group_seconds: float = Field(default=60.0, ge=0)
    """What comes up within so long is told in one message."""
    again_hours: float = Field(default=6.0, gt=0)
    """What is still wrong is told again after so long."""
    quiet: Clock | None = None
    """A time of day, as `22:00-07:00`: what comes up is told afterwards, unless a sender is giving up."""


class Tracing(Section):
    """OpenTelemetry traces, from the request through the queue to the run. Needs `hookline[tracing]`."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """Where traces are sent by OTLP over HTTP, as `http://127.0.0.1:4318/v1/traces`. Unset: none are made."""
    ratio: float = Field(default=1.0, ge=0, le=1)
    """Which part of the deliveries is traced; one whose sender traces it says so itself."""
