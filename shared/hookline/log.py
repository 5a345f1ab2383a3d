"""Logging: everything goes to standard error in one form, ours and the libraries', secrets struck out."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter

from hookline.about import merge_about
from hookline.printable import escaped, lines, one_line
from hookline.references import STRUCK_OUT, strike_out
from hookline.settings import Logging as LoggingSettings

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

_HANDLER_NAME = "hookline"
_CHATTY = ("rq", "aiohttp", "asyncio", "redis")
"""Libraries that tell of every step; below a warning they are heard at the level `debug` only."""

_SECRET_FIELD = re.compile(
    r"secret|passw(or)?d|token|authorization|signature|cookie|credential|api_?key", re.IGNORECASE
)
_OF_SEVERAL_LINES = ("exception", "stack")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def set_up_logging(settings: LoggingSettings, *, process: str) -> None:
    """Send structlog's loggers and the standard library's to standard error, each line naming `process`.

    The root logger gets a handler, which also keeps RQ from installing its own. Calling it again
    replaces the handler, for loggers that have not been used yet.
    """
    level = logging.getLevelName(settings.level.upper())
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_HANDLER_NAME)
    handler.setLevel(level)  # a library may set its own logger's level, and the root's is not asked then
    handler.addFilter(functools.partial(_worth_telling, level=level))
    handler.setFormatter(_formatter(settings.format, process))
    root = logging.getLogger()
    for earlier in [each for each in root.handlers if each.get_name() == _HANDLER_NAME]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(
        processors=[merge_about, merge_contextvars, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_logger,
        cache_logger_on_first_use=True,
    )


def _logger(name: str = "hookline", *_: Any) -> logging.Logger:
    return logging.getLogger(name)


def _worth_telling(record: logging.LogRecord, *, level: int) -> bool:
    chatty = record.name.partition(".")[0] in _CHATTY
    return not chatty or level <= logging.DEBUG or record.levelno >= logging.WARNING


def _formatter(form: str, process: str) -> logging.Formatter:
    in_terminal = sys.stderr.isatty()
    console = form == "console" or (form == "auto" and in_terminal)
    arrange = functools.partial(_arrange, process=process, with_pid=not console)
    processors: list[Processor] = [
        arrange,
        _strike_out_fields,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # not the one that shows local variables: they hold secrets
        *((_without_control_characters,) if console else ()),
        _then_strike_out(_console(in_terminal) if console else _json()),
    ]
    return ProcessorFormatter(
        foreign_pre_chain=[merge_about, merge_contextvars, _without_colours], processors=processors
    )


def _console(in_terminal: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=in_terminal and not os.environ.get("NO_COLOR"),
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=0,
        sort_keys=False,
    )


def _json() -> Processor:
    """JSON in UTF-8 where standard error can write it, with escapes elsewhere."""
    utf_8 = (sys.stderr.encoding or "").lower().replace("-", "") == "utf8"
    render = structlog.processors.JSONRenderer(ensure_ascii=not utf_8, default=str)
    return lambda logger, method, event: escaped(str(render(logger, method, event)))


def _then_strike_out(render: Processor) -> Callable[[WrappedLogger, str, EventDict], str]:
    """The line itself is searched too, since a secret may be part of a message or of a traceback."""

    def render_without_secrets(logger: WrappedLogger, method: str, event: EventDict) -> str:
        return strike_out(str(render(logger, method, event)))

    return render_without_secrets


def _arrange(_: WrappedLogger, __: str, event: EventDict, *, process: str, with_pid: bool) -> EventDict:
    """When, how grave, what, who; then the fields in the order in which they were given."""
    record: logging.LogRecord = event.pop("_record")
    from_structlog: bool = event.pop("_from_structlog")
    told: EventDict = {
        "timestamp": _ISO_UTC(None, "", {})["timestamp"],
        "level": record.levelname.lower(),
        "event": event.pop("event", ""),
        "process": process,
    }
    if with_pid:
        told["pid"] = os.getpid()
    if not from_structlog:
        told["logger"] = record.name
    told.update(event)
    return told


_ISO_UTC = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _strike_out_fields(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {name: _struck_out(name, value) for name, value in event.items()}


def _struck_out(name: object, value: Any) -> Any:
    """The value, or `***` in its place where the name says that it is a secret; dicts are searched."""
    if isinstance(name, str) and _names_a_secret(name):
        return value if value is None or isinstance(value, bool) else STRUCK_OUT
    if isinstance(value, Mapping):
        return {key: _struck_out(key, below) for key, below in value.items()}
    return value


@functools.lru_cache(maxsize=1024)
def _names_a_secret(name: str) -> bool:
    return _SECRET_FIELD.search(name) is not None


def _without_colours(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """RQ colours its messages when standard output is a terminal, wherever the log goes."""
    event["event"] = _COLOUR.sub("", event["event"])
    return event


def _without_control_characters(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A sender must not be able to write new lines or move the cursor in somebody's terminal."""
    return {one_line(name): _shown(name, value) for name, value in event.items()}


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    plain = lines if name in _OF_SEVERAL_LINES else one_line
    return plain(strike_out(value))
