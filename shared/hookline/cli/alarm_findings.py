"""Would anybody be told of an alarm? The URLs that the settings refer to, and the receivers to be watched."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from urllib.parse import urlsplit

from hookline.cli.findings import Finding, doubtful, right, wrong
from hookline.errors import SettingsError
from hookline.references import resolve_secret
from hookline.settings import Alarms

_URL = "set it to an Apprise URL (docs/alarms.md shows some), and try it with `hookline alarms --test`"


def examine_alarms(settings: Alarms) -> Iterator[Finding]:
    """Nothing is said where nobody is to be told."""
    for reference in settings.to:
        yield _target(reference)
    for address in settings.receivers:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            mend = "write it as http://127.0.0.1:8081"
            yield wrong("alarms.receivers", f"{address!r} is no address of a receiver's admin port", mend)


def _target(reference: str) -> Finding:
    try:
        url = resolve_secret(reference).decode("utf-8", "replace")
    except SettingsError as error:
        return wrong("alarms.to", str(error), _URL)
    if importlib.util.find_spec("apprise") is None:
        told = f"{reference!r} is there; whether it is an Apprise URL cannot be said, apprise is missing here"
        return doubtful("alarms.to", told, "pip install 'hookline[console]' where the console runs")
    # Only here, as it takes longer to load than all the rest, and may not be installed.
    target = importlib.import_module("apprise").Apprise.instantiate(url)
    if target is None:
        return wrong("alarms.to", f"what {reference!r} points to is no Apprise URL that can be used", _URL)
    return right("alarms.to", f"{reference!r} goes to {target.service_name}")
