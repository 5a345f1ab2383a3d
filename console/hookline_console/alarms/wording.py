"""How messages say durations, moments, counts, and what others wrote."""

from __future__ import annotations

from datetime import datetime, tzinfo

from hookline.printable import one_line
from hookline.references import strike_out

LONGEST_QUOTE = 200
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def duration(milliseconds: float) -> str:
    """`45 s`, `6 min`, `3 h 20 min`, `2 d 4 h`: seconds only where there is no minute."""
    seconds = max(0, round(milliseconds / 1000))
    for number, (size, unit) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            below = _UNITS[number + 1] if number + 1 < len(_UNITS) else None
            second = rest // below[0] if below else 0
            return f"{whole} {unit} {second} {below[1]}" if below and second else f"{whole} {unit}"
    return f"{seconds} s"


def moment(at_ms: int, now_ms: int, zone: tzinfo | None = None) -> str:
    """The local time, `14:02`; with the date where it was not today. `zone` is for another place's time."""
    at, now = local(at_ms, zone), local(now_ms, zone)
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"


def local(at_ms: int, zone: tzinfo | None = None) -> datetime:
    """The moment by the local clock, or by that of `zone`."""
    return datetime.fromtimestamp(at_ms / 1000, zone).astimezone(zone)


def count(number: int, noun: str) -> str:
    """`1 event`, `4,213 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(text: str) -> str:
    """What an action or a sender wrote, in one line and not too long; it strikes out secrets, calls nobody.

    Chat services ring everybody's bell at `@everyone`, `<!channel>` and the like: a space keeps them apart.
    """
    shown = strike_out(one_line(text)).replace("@", "@ ").replace("<!", "< !")
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 1]}…"
