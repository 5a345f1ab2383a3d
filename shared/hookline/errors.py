"""Every error that Hookline raises, under one root.

HooklineError
├── SettingsError            a setting is unknown, missing or wrong
├── PluginError              a plugin does not import, or declares an action wrongly
├── VerificationError        a delivery is not from its sender
├── ParseError               a payload cannot be read as an event
├── NotCommittedError        Redis did not take a delivery; the sender should try again
├── NotAcknowledgedError     Redis has a write, but not as safely as `redis.ack` asks
├── EmbeddedRedisError       the embedded Redis did not start
├── Retry                    raised by an action: try again, after this long
└── GiveUp                   raised by an action: do not try again
"""

from __future__ import annotations

from datetime import timedelta


class HooklineError(Exception):
    """The root: `except HooklineError` catches everything that is Hookline's own."""


class SettingsError(HooklineError):
    """Raised when a setting is unknown, missing or wrong; the message names it and the way out."""


class PluginError(HooklineError):
    """Raised when a plugin does not import or declares an action wrongly.

    `plugin` is its name; `file` and `line` say where, when that is known.
    """

    def __init__(self, plugin: str, reason: str, *, file: str | None = None, line: int | None = None) -> None:
        self.plugin, self.reason, self.file, self.line = plugin, reason, file, line
        place = f" ({file}:{line})" if file and line else f" ({file})" if file else ""
        super().__init__(f"plugin {plugin!r}{place}: {reason}")


class VerificationError(HooklineError):
    """Raised when a delivery is not from its sender; `reason` is for the log, never for the answer."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class ParseError(HooklineError):
    """Raised when a payload cannot be read as an event; the message says what and where."""


class NotCommittedError(HooklineError):
    """Raised when Redis did not take a delivery; nothing was answered 2xx, so the sender tries again."""


class NotAcknowledgedError(HooklineError):
    """Raised when a write is not yet, or cannot be, as safe as `redis.ack` asks: it counts as not done."""


class EmbeddedRedisError(HooklineError):
    """Raised when the embedded Redis did not start; the message ends with its own last words."""


class Retry(HooklineError):  # noqa: N818 (an author raises it as a request, not as a failure)
    """Raised by an action to be tried again `after` a delay: seconds, or a timedelta.

    It uses up one of the action's attempts, like any other failure.
    """

    def __init__(self, reason: str = "asked to be tried again", *, after: float | timedelta) -> None:
        seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
        if not 0 <= seconds < float("inf"):
            raise ValueError(f"Retry(after={after!r}): give seconds of 0 or more, or a timedelta")
        self.after_seconds = seconds
        super().__init__(reason)


class GiveUp(HooklineError):  # noqa: N818 (likewise)
    """Raised by an action that knows that no further attempt can help; the event is a dead letter at once."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
