"""Numbers and moments as a person reads them on a page."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def size(number: int) -> str:
    """`1.5 MiB`."""
    value, unit = float(number), 0
    while value >= 1000 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_SIZES[unit]}" if unit else f"{number} B"


def percent(part: float) -> str:
    """Of a share between 0 and 1: `2.5 %`, and never 0 or 100 unless it is."""
    value = part * 100
    if 0 < value < 0.1:
        return "< 0.1 %"
    if 99.9 < value < 100:
        return "> 99.9 %"
    return f"{value:.1f} %".replace(".0 %", " %")


def duration(milliseconds: float) -> str:
    """`380 ms`, `4.2 s`, `3 min 5 s`, `2 h 10 min`, `5 d`: two units at the most."""
    if milliseconds < 1000:
        return f"{max(0, milliseconds):.0f} ms"
    if milliseconds < 10_000:
        return f"{milliseconds / 1000:.1f} s".replace(".0 s", " s")
    left, parts = int(milliseconds // 1000), list[str]()
    for unit, seconds in _UNITS:
        number, left = divmod(left, seconds)
        if number:
            parts.append(f"{number} {unit}")
        elif parts:
            break  # 2 d 3 s would be more exact than anybody wants
    return " ".join(parts[:2])


def age(milliseconds: float) -> str:
    """For how long something has been so, in whole seconds: `a moment`, `12 s`, `2 h 10 min`."""
    return "a moment" if milliseconds < 1000 else duration(milliseconds - milliseconds % 1000)


def ago(age_ms: float) -> str:
    """`just now`, `12 s ago`, `2 h ago`: in one unit, rounded down."""
    seconds = int(age_ms // 1000)
    found = ((seconds // length, unit) for unit, length in _UNITS if seconds >= length)
    number, unit = next(found, (0, ""))
    return f"{number} {unit} ago" if number else "just now"


def moment(at_ms: int) -> Markup:
    """A `<time>` in UTC, which the page's script shows in the reader's own zone."""
    return Markup('<time datetime="{}">{}</time>').format(iso(at_ms), utc(at_ms))


def relative(at_ms: int, now_ms: int = 0) -> Markup:
    """A `<time>` that says how long ago it is, exact in its title; the page's script keeps it true.

    Without `now_ms` it has the moment itself, so that the same is the same whenever it is asked for.
    """
    said = ago(now_ms - at_ms) if now_ms else utc(at_ms)
    markup = Markup('<time datetime="{}" title="{}" data-relative>{}</time>')
    return markup.format(iso(at_ms), utc(at_ms), said)


def utc(at_ms: int) -> str:
    """`2026-05-01 12:00:01 UTC`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at_ms: int) -> str:
    """`2026-05-01T12:00:01.234Z`: exact, and a moment that a person may as well write."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
