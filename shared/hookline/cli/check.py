"""`hookline check`: reads the settings, tries what they name, and says what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from hookline.cli.alarm_findings import examine_alarms
from hookline.cli.console_findings import examine_console
from hookline.cli.findings import Finding, Grade, doubtful, print_findings, print_json, right, wrong
from hookline.cli.options import AsJson, Config
from hookline.cli.plugin_findings import examine_places
from hookline.cli.plugin_report import read_plugins
from hookline.cli.redis_findings import examine_redis
from hookline.cli.spool_findings import examine_spool
from hookline.cli.stopping_findings import examine_stopping
from hookline.errors import SettingsError
from hookline.references import resolve_secret
from hookline.settings import Settings, Source, Tracing, Worker, config_file, load_settings
from hookline.tracing import make_tracer

SHORT_SECRET_BYTES = 12


def check(config: Config = None, as_json: AsJson = False) -> None:
    """Look at settings, secrets, Redis, spool, console and plugins. Exit status 1 if anything is wrong."""
    findings = list(_examine(config))
    print_json(findings) if as_json else print_findings(findings)
    if any(finding.grade is Grade.WRONG for finding in findings):
        raise typer.Exit(1)


def _examine(config: Path | None) -> Iterator[Finding]:
    try:
        file = config_file(config)
        settings = load_settings(config)
    except SettingsError as error:
        for problem in str(error).splitlines():
            yield wrong("settings", problem)
        return
    yield right("settings", str(file) if file else "no hookline.toml: the environment and the defaults")
    yield from examine_sources(settings)
    try:
        yield from examine_redis(settings.redis)
    except SettingsError as error:
        yield wrong("redis", str(error))
    yield from examine_spool(settings.spool)
    yield from examine_console(settings.console)
    yield from examine_alarms(settings.alarms)
    yield from examine_tracing(settings.tracing)
    yield from examine_places(settings.worker.plugins)
    yield from _examine_plugins(config, settings.worker)


def examine_tracing(settings: Tracing) -> Iterator[Finding]:
    """Could traces be made, if they should be?"""
    if settings.endpoint is None:
        return
    try:
        make_tracer(settings, process="worker")
    except SettingsError as error:
        yield wrong("tracing", str(error))
    else:
        yield right("tracing", f"of {settings.ratio:.0%} of the deliveries, traces are sent")


def examine_sources(settings: Settings) -> Iterator[Finding]:
    """Has every source its secrets?"""
    if not settings.sources:
        yield doubtful("sources", "none is configured", "add [sources.<name>] (see docs/settings.md)")
    for name, source in settings.sources.items():
        yield from _examine_source(f"sources.{name}", source)


def _examine_source(subject: str, source: Source) -> Iterator[Finding]:
    if source.unverified:
        yield doubtful(
            subject, f"{source.provider}, unverified: whoever reaches it can send events", "give it secrets"
        )
    for reference in source.secrets:
        try:
            secret = resolve_secret(reference)
        except SettingsError as error:
            yield wrong(subject, str(error), "set it to what the sender is configured with")
            continue
        if len(secret) < SHORT_SECRET_BYTES:
            mend = "change it here and at the sender to a random one"
            yield doubtful(
                subject, f"{source.provider}, the secret {reference!r} is short and may be guessed", mend
            )
        else:
            yield right(subject, f"{source.provider}, the secret {reference!r} is present")


def _examine_plugins(config: Path | None, worker: Worker) -> Iterator[Finding]:
    report = read_plugins(config)
    for problem in report.problems:
        yield wrong("plugins", problem)
    if report.actions:
        count = len(report.actions)
        yield right("plugins", f"{count} action{'s' if count != 1 else ''} (`hookline plugins` lists them)")
    elif not report.problems:
        yield doubtful("plugins", "no action is declared, so events are only kept", "write a plugin")
    yield from examine_stopping(worker, report.actions)
