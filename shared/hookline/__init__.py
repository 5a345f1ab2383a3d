"""Hookline: webhooks in, your Python functions run, nothing lost between.

This is the page that a plugin imports from:

    from hookline import action, misskey

    @action(misskey.Mention)
    async def thank(event: misskey.Mention, ctx):
        ...
"""

from hookline.actions import action
from hookline.context import Context
from hookline.errors import GiveUp, HooklineError, Retry
from hookline.events import AnyEvent, Event, UnknownEvent
from hookline.providers import esa, misskey

__all__ = [
    "AnyEvent",
    "Context",
    "Event",
    "GiveUp",
    "HooklineError",
    "Retry",
    "UnknownEvent",
    "action",
    "esa",
    "misskey",
]
