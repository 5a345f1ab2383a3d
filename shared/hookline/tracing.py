"""Whether traces are made. OpenTelemetry is imported only where `tracing.endpoint` is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hookline.errors import SettingsError
from hookline.settings import Tracing

if TYPE_CHECKING:
    from hookline.spans import Tracer


def make_tracer(settings: Tracing, *, process: str) -> Tracer | None:
    """What makes the spans of this process, a `receiver` or a `worker`; None where no traces are made.

    Raises SettingsError when they should be and OpenTelemetry is not installed.
    """
    if settings.endpoint is None:
        return None
    try:
        from hookline.spans import Tracer
    except ImportError as error:
        raise SettingsError(
            f"tracing.endpoint is set, and OpenTelemetry cannot be imported ({error}): "
            "pip install 'hookline[tracing]', or remove the setting"
        ) from error
    return Tracer(settings.endpoint, settings.ratio, process)


def trace_id(traceparent: str) -> str:
    """The id in it, by which a trace is looked up."""
    return traceparent[3:35]
